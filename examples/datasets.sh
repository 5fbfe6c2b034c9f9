#!/usr/bin/env bash
# One command per data set, on the files as their authors published them: six formats, four scripts.
#   examples/datasets.sh NAME|all        NAMEs: chinese thai german emotions newsgroups trec
# DATA: folder of the sets (default $ULMUS_DATA or ../shared/data)   OUT: where models go (default runs)
# MINUTES: time for each training (default 8). Each run ends with language model, word counts and both combined,
# judged on labels that were held out; where the authors publish a development set, `evaluate` judges on that.
set -euo pipefail
DATA=${DATA:-${ULMUS_DATA:-../shared/data}}
OUT=${OUT:-runs}
MINUTES=${MINUTES:-8}

train() { # NAME FILE OPTION...
  printf '\n== %s: ulmus train %s\n' "$1" "${*:2}"
  ulmus train "$DATA/$2" "${@:3}" --minutes "$MINUTES" --out "$OUT/$1.ulmus"
}

evaluate() { # NAME FILE OPTION...
  printf '\n== %s: ulmus evaluate %s\n' "$1" "${*:2}"
  ulmus evaluate "$OUT/$1.ulmus" "$DATA/$2" "${@:3}"
}

chinese() { # hotel reviews, csv; no spaces between words: the pieces of the Chinese model in the box
  train chinese chnsenticorp/train.csv --text review --label label --tokenizer unigram
}

thai() { # social media, compressed json lines; no spaces either
  train thai wisesight_th/train.jsonl.xz --text texts --label category --tokenizer unigram
  evaluate thai wisesight_th/valid.jsonl.xz --text texts --label category
}

german() { # tweets, tab-separated without header or quotes; columns by number
  train german germeval2018/germeval2018.training.txt --format tsv --no-header --no-quoting --text 0 --label 1
}

emotions() { # several labels a text, joined by commas
  train emotions goemotions/train.tsv --text text --label label --label-delimiter ,
  evaluate emotions goemotions/dev.tsv --text text --label label --label-delimiter ,
}

newsgroups() { # long documents with their headers, compressed csv, 20 classes
  train newsgroups 20newsgroups/train.csv.xz --text text --label label
}

trec() { # "COARSE:fine text" lines in Latin-1; the coarse label
  train trec trec/train.txt --format text --label first-word-to-colon --encoding latin-1
}

[[ $# = 1 ]] || { sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"; exit 2; }
mkdir -p "$OUT"
case $1 in
  all) for name in chinese thai german emotions newsgroups trec; do "$name"; done ;;
  chinese | thai | german | emotions | newsgroups | trec) "$1" ;;
  *) echo "There is no example called '$1': see the head of $0." >&2; exit 2 ;;
esac
