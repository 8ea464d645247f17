# Sourced by the scripts here: goes to the client's folder, and ends the script if there is no Go that is new enough.
# Who has no Go skips (exit code 77); the variable CI says that there must be one (exit code 1). POSIX sh.

# need_go MAJOR.MINOR
need_go() {
    found=$(go env GOVERSION 2>/dev/null) || found=
    found=${found#go}
    major=${found%%.*}
    minor=${found#*.}
    minor=${minor%%[!0-9]*}
    if [ -z "$minor" ] || [ "$major" -lt "${1%.*}" ] || { [ "$major" -eq "${1%.*}" ] && [ "$minor" -lt "${1#*.}" ]; }; then
        echo "skipped: the Go client needs go $1 or newer; found ${found:-none}" >&2
        if [ "${CI:-}" = true ]; then exit 1; fi
        exit 77
    fi
}
