# Sourced by the scripts in this folder: where the repository is, messages, steps with a log.
#
# Provides: root, jobs, say, warn, die, seconds_since, step. Uses: bash and coreutils.
# Rule: sourcing it changes nothing but shell options and the variables named here.

set -euo pipefail

program=${0##*/}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
jobs=$(nproc 2>/dev/null || echo 2)

say() {
    printf '%s\n' "$*"
}

warn() {
    printf '%s: %s\n' "$program" "$*" >&2
}

die() {
    warn "$@"
    exit 1
}

# Microseconds since the epoch; EPOCHREALTIME writes the locale's decimal mark.
now_us() {
    printf '%s' "${EPOCHREALTIME/[.,]/}"
}

# seconds_since START_US: elapsed time as "12.3".
seconds_since() {
    local tenths=$((($(now_us) - $1) / 100000))
    printf '%d.%d' $((tenths / 10)) $((tenths % 10))
}

# step TITLE LOG COMMAND...: one line with the time taken; what the command prints goes to LOG,
# and its end is shown if the command fails, which ends the script.
step() {
    local title=$1 log=$2 start
    shift 2
    mkdir -p "$(dirname "$log")"
    start=$(now_us)
    printf '%-28s ' "$title"
    if "$@" >"$log" 2>&1 </dev/null; then
        printf '%6s s\n' "$(seconds_since "$start")"
        return
    fi
    printf '%6s s  failed\n' "$(seconds_since "$start")"
    tail -n 60 "$log" >&2
    die "$title failed; the full output is in $log"
}
