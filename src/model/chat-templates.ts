/** Templates for files that bring none, by family. They leave the beginning of sequence to `encode`. */

/** Gemma has no system role: its text opens the first turn of the user. */
export const gemmaTurns = `
{%- set system = messages[0].content | trim if messages and messages[0].role == 'system' else '' -%}
{%- set turns = messages[1:] if messages and messages[0].role == 'system' else messages -%}
{%- if system and (not turns or turns[0].role == 'assistant') -%}
{{ '<start_of_turn>user\\n' + system + '<end_of_turn>\\n' }}
{%- endif -%}
{%- for message in turns -%}
{%- set opening = system + '\\n\\n' if system and loop.first and message.role != 'assistant' else '' -%}
{%- set role = 'model' if message.role == 'assistant' else 'user' -%}
{{ '<start_of_turn>' + role + '\\n' + opening + message.content | trim + '<end_of_turn>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<start_of_turn>model\\n' }}{%- endif -%}`;

export const chatMl = `
{%- for message in messages -%}
{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}`;

export const transcript = `
{%- for message in messages -%}
{{ message.role | capitalize + ': ' + message.content | trim + '\\n\\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ 'Assistant:' }}{%- endif -%}`;
