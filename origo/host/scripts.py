"""What a distant machine's own coreutils do with its files: constant scripts; `$1` is the path, more are arguments."""

READ = """
if [ -e "$1" ] && [ ! -f "$1" ]; then echo "it is no regular file" >&2; exit 1; fi
exec head -c "$2" -- "$1"
"""

# $2 the new file's path, $3 mode, $4 length of the data, $5 the folder. What a killed writer left there is taken over;
# once it is at its place, the next writer may have one of that name. What is no file goes, by one look alone: between
# two of them another writer's file may come. A signal that comes while the trap of EXIT runs ends that one, so each
# trap removes the file itself. PIPE is what a sentence meets when the connection is gone.
WRITE = """
set -e
umask 077
fresh=$2
mine() { [ "$fresh" -ef /proc/self/fd/9 ]; }
drop() { if mine; then rm -f -- "$fresh"; fi; }
until mine; do
    find "$fresh" -maxdepth 0 ! -type f -delete 2>/dev/null || true
    touch -- "$fresh"
    exec 9<>"$fresh"
    flock -w 100 9 || { echo "somebody else writes it" >&2; exit 1; }
done
trap drop EXIT
trap 'drop; exit 1' HUP INT TERM PIPE
chmod "$3" "$fresh"
dd of="$fresh" bs=1M conv=fsync status=none
if ! mine || [ "$(stat -c %s -- "$fresh")" != "$4" ]; then echo "the data arrived only in part" >&2; exit 1; fi
mv -fT -- "$fresh" "$1"
sync "$5"
"""

STAT = 'exec stat -c "%f %s %b %B %u %.Y %d:%i" -- "$1"'

LIST = 'exec find "$1/" -mindepth 1 -maxdepth 1 -printf "%f\\\\0"'

MAKE_FOLDER = 'exec install -d -m "$2" -- "$1"'

# $2 the new path. Only within one file system: mv would copy to another one.
RENAME = """
set -e
device=$(stat -c %d -- "$1")
if [ "$device" != "$(stat -c %d -- "$(dirname -- "$2")")" ]; then echo "Invalid cross-device link" >&2; exit 1; fi
if [ "$1" != "$2" ]; then mv -fT -- "$1" "$2"; fi
sync "$(dirname -- "$1")" "$(dirname -- "$2")"
"""

# $2 where a killed writer may have left a new one; that of a living writer is waited for.
REMOVE = """
set -e
if [ -f "$2" ] && [ ! -L "$2" ]; then
    (exec 9<"$2" && flock -w 100 9 && [ "$2" -ef /proc/self/fd/9 ] && rm -f -- "$2") 2>/dev/null || true
fi
if [ -d "$1" ] && [ ! -L "$1" ]; then rmdir -- "$1"; elif [ -e "$1" ] || [ -L "$1" ]; then rm -f -- "$1"; fi
folder=$(dirname -- "$1")
if [ -d "$folder" ]; then sync "$folder"; fi
"""

# $2 mode, $3 owner and group or nothing.
PROTECT = """
set -e
if [ -L "$1" ]; then echo "Too many levels of symbolic links" >&2; exit 1; fi
if [ -n "$3" ]; then chown -h -- "$3" "$1"; fi
chmod -- "$2" "$1"
"""

SPACE = 'exec stat -f -c "%S %b %a" -- "$1"'

# $1 the variable as it stands in an environment, $2 the signal; prints the numbers that it reached.
SIGNAL = """
for file in $(grep -lzxsF -e "$1" /proc/[0-9]*/environ); do
    number=${file#/proc/}
    number=${number%/environ}
    if kill -s "$2" "$number" 2>/dev/null; then echo "$number"; fi
done
"""
