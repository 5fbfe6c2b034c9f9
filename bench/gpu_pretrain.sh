#!/usr/bin/env bash
# Pretrain the models of packages/ulmus-en on a GPU that is reached by small transfers and short commands.
#
#   here    gpu_pretrain.sh split CORPUS.txt.zst     pieces of $PIECE (40M) in runs/gpu-pieces; each can travel alone
#   there   gpu_pretrain.sh take PIECE...            keeps pieces that have come, and says how many bytes it has
#   there   gpu_pretrain.sh measure 64 128 256 512   tokens a second at these batch sizes, before minutes are planned
#   there   gpu_pretrain.sh train NAME MINUTES OUT   NAME: en, or en-bwd, which reads backwards. Leaves the model in OUT,
#                                                    in pieces of 15 MB. Stops after $CALL seconds (540) with exit code
#                                                    130, and resumes when it is called again: minutes add up
#   here    gpu_pretrain.sh join NAME FOLDER         its pieces in FOLDER -> packages/ulmus-en/src/ulmus_en/NAME.ulmus
#
# "There" needs this checkout and a $PYTHON (python3) with what pyproject.toml names; nothing is downloaded. It is
# `ulmus pretrain` as anyone calls it. BATCH (256) and RATE (0.005) are for you to choose when you have measured.
# Tried on a CPU, in minutes: export SIZE=small WORDS=2000 BATCH=16 PIECE=1M
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PYTHONPATH="$PWD/src"
pieces=runs/gpu-pieces there=runs/gpu # git ignores both
corpus=$there/enwiki2015.txt.zst

pretrain() { # NAME MINUTES BATCH [OPTION...]
  local name=$1 minutes=$2 batch=$3
  shift 3
  cat >"$there/$name.toml" <<END
size = "${SIZE:-base}"
language = "en"
corpus = "English Wikipedia, spring 2015"
licence = "CC BY-SA 3.0"
weights = "bf16"
[lm]
batch_size = $batch
schedule.peak = ${RATE:-0.005}
tokenizer.max_size = ${WORDS:-30000}
END
  timeout --foreground --preserve-status -s INT "${CALL:-540}" "${PYTHON:-python3}" -m ulmus pretrain "$corpus" --config "$there/$name.toml" \
    --minutes "$minutes" --work-dir "$there/work-$name" --out "$there/$name.ulmus" "$@"
}

case ${1:-} in
  split)
    mkdir -p "$pieces" && split -b "${PIECE:-40M}" --additional-suffix .piece "$2" "$pieces/" && ls -l "$pieces"
    ;;
  take)
    mkdir -p "$there/pieces" && cp "${@:2}" "$there/pieces/"
    cat "$there"/pieces/*.piece >"$corpus" && ls -l "$corpus"
    ;;
  measure)
    for batch in "${@:2}"; do
      pretrain "measure-$batch" 0.5 "$batch" --quiet --log "$there/measure-$batch.jsonl" >/dev/null
      "${PYTHON:-python3}" -m ulmus info "$there/measure-$batch.ulmus" --json |
        "${PYTHON:-python3}" -c 'import json, sys; card = json.load(sys.stdin)["card"]
print(sys.argv[1], "streams:", round(card["tokens_read"] / card["minutes"] / 60), "tokens/s")' "$batch"
    done
    ;;
  train)
    name=$2 minutes=$3 out=$4 direction=()
    case $name in *-bwd) direction=(--backwards) ;; esac
    pretrain "$name" "$minutes" "${BATCH:-256}" "${direction[@]}"
    mkdir -p "$out" && split -b 15M --additional-suffix .piece "$there/$name.ulmus" "$out/$name." && ls -l "$out"
    ;;
  join)
    model=packages/ulmus-en/src/ulmus_en/$2.ulmus
    cat "$3/$2".*.piece >"$model" && "${PYTHON:-python3}" -m ulmus info "$model"
    ;;
  *)
    sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"
    exit 2
    ;;
esac
