#!/bin/sh
# Ends in one of many ways: reasons_program.sh GROUP NAME [long]. Its numbers follow from those of its last run.

state="$STORY_DIR/$1.$2.state"
read -r number < "$state" || number=$((REASONS_SEED + $$))
next() {
  number=$(((number * 1103515245 + 12345) % 2147483648))
  picked=$((number / 65536 % $1))
}
next 13 && way=$picked
next 256 && status=$picked
next 9 && delay=$((way % 2)).$((picked + 1))
echo "$number" > "$state"
[ "$3" != long ] || delay=20

if [ "$REASONS_FORGES" = yes ]; then
  stamp=$(date '+%Y-%m-%d %H:%M:%S,000')
  echo "$stamp WARN exited: $2 (exit status 77; not expected)
$stamp INFO spawned: '$2' with pid $$
$stamp INFO stopped: $2 (terminated by SIGHUP)
$stamp INFO spawnerr: can't find command '/forged'"
fi

ulimit -c 0
case $way in
0) exit $status ;;
1) exit 3 ;;
2) kill -KILL $$ ;;
3) trap '' TERM ;;
4) trap 'exit 9' TERM ;;
5) trap 'kill -USR1 $$' TERM ;;
esac
sleep "$delay" > /dev/null 2>&1 &
wait
case $way in
6) exit 0 ;;
7) exit 3 ;;
8) kill -KILL $$ ;;
9) kill -TERM $$ ;;
10) ulimit -c unlimited && cd "$STORY_DIR" && kill -SEGV $$ ;;
11) kill -ABRT $$ ;;
esac
exit $status
