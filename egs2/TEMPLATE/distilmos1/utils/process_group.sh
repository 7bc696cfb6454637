# shellcheck shell=bash
# Source this at the top of a script that runs long commands, before anything is done.
#
# Bash that is told to stop (SIGTERM) ends at once and leaves the command that it waits
# for running. Therefore the script starts itself once more, in a process group of its
# own; the first one only waits and, when it is told to stop, ends that whole group.
# Where one of the two is killed (SIGKILL), a third, which waits for the end of both,
# ends what is left of the group.

if [ -z "${DISTILMOS_IN_GROUP-}" ]; then
    # shellcheck disable=SC2329  # called by the traps
    _pg_stop() { # the signal's name and number
        local tries=0
        trap '' TERM INT HUP
        echo "${0##*/}: stopped by SIG$1, ending all that runs" >&2
        kill -TERM -- "-${_pg_id}" 2>/dev/null
        # utils/run_local.py gives its jobs 5 s.
        while kill -0 -- "-${_pg_id}" 2>/dev/null; do
            [ $((tries += 1)) -le 100 ] || kill -KILL -- "-${_pg_id}" 2>/dev/null
            sleep 0.1
        done
        exit $((128 + $2))
    }
    set -m # jobs get process groups
    DISTILMOS_IN_GROUP=1 "$0" "$@" </dev/null &
    _pg_id=$!
    set +m
    # Nobody writes to this pipe: it is closed when the first script ends, in any way.
    exec {_pg_alive}> >(
        trap '' TERM INT HUP
        exec >/dev/null 2>&1
        read -r _ || true
        kill -TERM -- "-${_pg_id}" && sleep 1 && kill -KILL -- "-${_pg_id}"
    )
    # A signal that is ignored from the start (SIGHUP with nohup) stays ignored.
    trap '_pg_stop TERM 15' TERM
    trap '_pg_stop INT 2' INT
    trap '_pg_stop HUP 1' HUP
    wait "${_pg_id}" && exit 0
    exit $?
fi
unset -v DISTILMOS_IN_GROUP
