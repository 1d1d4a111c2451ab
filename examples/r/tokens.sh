#!/bin/sh
# A token for each student: tokens.sh STUDENTS.csv [DAYS] > tokens.csv. The file has a header with a column "student".
# Where the server's data are: PYTRAINR_SERVER_DATA_DIR.
set -eu
days=${2:-0}
column=$(head -n 1 "$1" | tr -d '\r"' | tr ',' '\n' | grep -n -x student | cut -d : -f 1)
[ -n "$column" ] || { echo "$1 has no column student" >&2; exit 1; }
echo student,token
tail -n +2 "$1" | tr -d '\r"' | cut -d , -f "$column" | while IFS= read -r student; do
    [ -n "$student" ] || continue
    echo "$student,$(pytrainr-server token create --owner "$student" --days "$days" </dev/null)"
done
