# shellcheck shell=bash
# What a script says: source it at the top, before any other of these.

# log TEXT: a line with the time, and the script, line and function that say it.
log() {
    local i=0
    [ "${FUNCNAME[1]}" != fail ] || i=1
    local fname=${BASH_SOURCE[i + 1]##*/}
    echo -e "$(date '+%Y-%m-%dT%H:%M:%S') (${fname}:${BASH_LINENO[i]}:${FUNCNAME[i + 1]}) $*"
}

# fail TEXT: say what is wrong, and end the script.
fail() {
    log "Error: $*" >&2
    exit 1
}
