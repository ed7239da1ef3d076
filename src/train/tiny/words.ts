/** The words that examples are made of. A noun here is any word that "a" or "the" can stand before. */

const words = (text: string): readonly string[] => text.trim().split(/\s+/);

export const girls = words(`
  Anna Mia Nina Lily Rosa Ella Clara Ida Maya Zoe Emma Lena Sara Tara Ruth Nora Vera Iris Luna Olga Eva Jana Kira Amy Dora
  Hana Ivy Kate Lucy Mona Pia Rita Tess Willa Ada Flora
`);

export const boys = words(`
  Ben Tom Max Leo Sam Finn Jack Otto Paul Noah Hugo Ivan Karl Luis Milo Nils Omar Pete Ravi Theo Bruno Carl Dan Emil Felix
  Gus Hans Igor Jon Kurt Mark Oscar Rex Sven Tim Adam
`);

/** Whom a story can be about: animals, people, and things that live in stories. */
export const heroes = words(`
  fox bear rabbit mouse cat dog owl frog duck goat sheep horse pig cow hen wolf deer hedgehog squirrel badger beaver otter
  turtle snail bee butterfly spider swan penguin whale seal crab fish elephant lion tiger monkey giraffe zebra camel parrot
  kitten puppy pony lamb dragon unicorn giant witch wizard fairy elf ghost mermaid king queen prince princess knight pirate
  sailor farmer baker teacher doctor painter girl boy robot snowman tractor train boat star moon tree doll puppet donkey
`);

/** Of the words for heroes and friends: who is a she, who is a he. The others can be either. */
export const female: readonly string[] = words("cow hen witch fairy mermaid queen princess girl");
export const male: readonly string[] = words("wizard king prince knight boy");

export const friends = words(`
  fox bear rabbit mouse cat dog owl frog duck goat horse wolf deer hedgehog squirrel turtle snail lion monkey parrot dragon
  fairy farmer baker teacher doctor sailor girl boy robot pony bee hen
`);

/** What can be owned, lost, found, broken and shared. */
export const things = words(`
  lamp key kite hat drum bell book cup map ring rope bag ball basket blanket box brush bucket button candle chair clock
  coat coin crown flag flute guitar hammer ladder letter mirror pencil pillow pot ribbon scarf shell shoe spoon stone sword
  ticket trumpet umbrella violin wheel whistle cake apple
`);

export const places = words(`
  forest river hill village garden meadow lake beach mountain bridge castle farm field harbour island market mill park
  pond road school station tower valley well cave church lighthouse
`);

export const adjectives = words(`
  brave little kind clever shy happy old young curious quiet funny lazy gentle proud lonely cheerful small big friendly
  hungry sleepy polite merry wise
`);

export const colours = words(`
  red blue green yellow white black brown pink purple orange grey golden silver
`);

export const cities = words(`
  Paris London Rome Berlin Madrid Vienna Oslo Lisbon Prague Dublin Athens Cairo Delhi Tokyo Lima Boston Geneva Milan Porto
  Hamburg
`);

export const jobs = words(`
  baker teacher doctor painter singer farmer sailor cook gardener driver nurse pilot writer dancer
`);

export const pets = words(`
  cat dog rabbit hamster parrot turtle pony goat duck mouse fish hen horse frog pig kitten puppy
`);

/** Things that are counted: singular by their plural. */
export const goods: ReadonlyMap<string, string> = new Map(
  words(`
    apples:apple books:book coins:coin cards:card pens:pen eggs:egg shells:shell stones:stone stamps:stamp cups:cup
    keys:key balls:ball flowers:flower pears:pear cakes:cake hats:hat boats:boat buttons:button pencils:pencil plums:plum
    nuts:nut chairs:chair tickets:ticket lemons:lemon
  `).map((pair) => pair.split(":") as [string, string]),
);

export const days = words("Monday Tuesday Wednesday Thursday Friday Saturday Sunday");
