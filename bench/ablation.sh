#!/usr/bin/env bash
# The ablation of Howard & Ruder 2018 (section 5, tables 4 to 7) on two of their data sets, with 2,000 labels:
#   bench/ablation.sh NAME|all           NAMEs: trec imdb
# DATA: folder of the data sets (default $ULMUS_DATA or ../shared/data)   OUT: output folder (default runs)
# MINUTES: time budget per training (default 12)   SEEDS (3)   SIZES (2000)   JOBS: trainings at once (default 1)
# 24 trainings a data set: 5 hours with the defaults. Stop it with Ctrl-C; the same command resumes.
set -euo pipefail
DATA=${DATA:-${ULMUS_DATA:-../shared/data}}
OUT=${OUT:-runs}

ablate() { # NAME FILE OPTION...
  printf '\n== %s\n' "$1"
  "${PYTHON:-python}" -m ulmus ablate "$DATA/$2" "${@:3}" --sizes "${SIZES:-2000}" --seeds "${SEEDS:-3}" \
    --minutes "${MINUTES:-12}" --jobs "${JOBS:-1}" --out "$OUT/ablation-$1"
}

trec() { # questions of six kinds; the texts of the other labels are the unlabelled ones
  ablate trec trec/train.txt --format text --label first-word-to-colon --encoding latin-1
}

imdb() { # film reviews, 50,000 of them without a label
  ablate imdb imdb/train.csv.zst --text text --label label --unlabeled "$DATA/imdb/unsup.csv.zst"
}

case ${1:-} in
  all) trec && imdb ;;
  trec | imdb) "$1" ;;
  *) sed -n '2,6s/^# //p' "$0" && exit 2 ;;
esac
