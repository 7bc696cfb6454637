# shellcheck shell=bash
# What long jobs say of their progress, in the output of the stage. distilmos.sh sources this.

# Run a command, and show meanwhile what the logs before the `--` say of progress; the
# logs of many jobs would be too much: of more than four, that of the first.
followed() {
    local watched=() parent=${BASHPID} output ready follower code=0
    while [ "$1" != -- ]; do
        watched+=("$1")
        shift
    done
    shift
    [ "${#watched[@]}" -le 4 ] || watched=("${watched[0]}")
    exec {output}>&1
    exec {ready}< <(exec utils/follow.py "${parent}" "${watched[@]}" 3>&1 1>&"${output}")
    follower=$!
    read -r _ <&"${ready}" || true # until it has seen how far the logs were before
    "$@" || code=$?
    kill -TERM "${follower}" 2>/dev/null || true
    read -r _ <&"${ready}" || true # until it has ended
    exec {ready}<&- {output}>&-
    return "${code}"
}
