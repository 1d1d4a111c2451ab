#!/bin/sh
# A token for each student: tokens.sh STUDENTS.csv [DAYS] > tokens.csv. The file has a header with a column "student".
# Where the server's data are: PYTRAINR_SERVER_DATA_DIR.
set -euf
days=${2:-0}
column=$(head -n 1 "$1" | tr -d '\r"' | tr ',' '\n' | grep -n -x student | cut -d : -f 1)
[ -n "$column" ] || { echo "$1 has no column student" >&2; exit 1; }
students=$(tail -n +2 "$1" | tr -d '\r"' | cut -d , -f "$column" | grep .) || { echo "$1 has no students" >&2; exit 1; }
line='
'
IFS=$line # a student in each line, whatever else is in the name
tokens=$(pytrainr-server token create --days "$days" --owner $students)
echo student,token
for student in $students; do
    echo "$student,${tokens%%"$line"*}"
    tokens=${tokens#*"$line"}
done
