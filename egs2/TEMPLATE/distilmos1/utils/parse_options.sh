# shellcheck shell=bash
# Command line options of a script: source this after the variables are set.
#
#   nj=4                # every variable set so far is an option: --nj 8 or --nj=8
#   skip_train=false    # a true/false default takes true or false only
#   . utils/parse_options.sh
#
# - Dashes are underscores: --stop-stage is --stop_stage. Names are lower case, so
#   that PATH and its like are out of reach.
# - A number as default takes numbers only: bash would take `--stage all` for a failed
#   comparison, skip every stage and report success. Stages, seeds, jobs and GPUs take
#   whole numbers: `--stage 1.5` would do the same.
# - --help prints $help_message, then every option with its comment and its value so far:
#   the default, or what a recipe's run.sh has set before. Source this before path.sh, so
#   that help (and a misspelled option) needs no environment. A help_message that lists
#   options itself ("  --nj ...") is all that is printed. A lone -- ends the options.
# - What follows the options stays in "$@".
# Values are stored, never evaluated: blanks, quotes, $(...) and ; are just text.

_po_fail() {
    echo "${0##*/}: error: $1" >&2
    exit 1
}

# Whether $1 may be set as an option: a variable that is neither an array nor read-only.
_po_is_option() {
    local decl
    [[ $1 =~ ^[a-z][a-z0-9_]*$ ]] || return 1
    decl=$(declare -p "$1" 2>/dev/null) || return 1
    decl=${decl#declare -}
    [[ ${decl%% *} != *[aAr]* ]]
}

# Print `name<TAB>comment` of the variables at the top of script $1, and their headings.
_po_documented() {
    awk '
        function flush() { if (name != "") print name "\t" about; name = "" }
        /^[^#]*parse_options\.sh/ { exit }
        /^[a-z][a-z0-9_]*=/ {
            flush()
            if (heading && note != "") { print ":\t" note; note = "" }
            name = $0; sub(/=.*/, "", name)
            sub(/^[^=]*=("[^"]*"|[^ \t]*)/, "") # a value may have a # of its own
            about = match($0, /[ \t]#[ \t]+/) ? substr($0, RSTART + RLENGTH) : note
            note = ""; heading = 0; next
        }
        /^[ \t]+# / && name != "" { sub(/^[ \t]+#[ \t]+/, ""); about = about " " $0; next }
        # A comment on lines of its own: of the option below, or, after a blank line, of
        # all below.
        /^# / {
            flush()
            if (note == "") heading = blank
            note = note (note == "" ? "" : " ") substr($0, 3); blank = 0; next
        }
        { flush(); note = ""; blank = /^[ \t]*$/ }
        END { flush() }' "$1"
}

# Print the help of script $1.
_po_help() {
    local name about blank=$'\n'
    echo "${help_message:-Usage: $0 [--NAME VALUE]...}"
    [[ ${help_message-} != *$'\n  --'* && -f $1 ]] || return 0
    while IFS=$'\t' read -r name about; do
        if [[ $name == : ]]; then
            printf '\n%s\n' "$about"
            blank=
        elif [[ $name != help_message ]] && _po_is_option "$name"; then
            [[ -z ${!name} ]] || about+=" (default: ${!name})"
            [[ $about != *default*default* ]] || about=${about% (default: *}
            fold -s -w 64 <<<"$about" | sed 's/ *$//' | {
                IFS= read -r about || true
                printf '%s  --%-19s %s\n' "$blank" "$name" "$about"
                sed 's/^/                        /'
            }
            blank=
        fi
    done < <(_po_documented "$1")
}

while [[ ${1-} == -* ]]; do
    case $1 in
    --) shift && break ;;
    -h | --help)
        _po_script=${BASH_SOURCE[1]-}
        [[ -f $_po_script ]] || _po_script=./${_po_script##*/}
        _po_help "$_po_script"
        exit 0
        ;;
    --?*) ;;
    *) break ;; # a lone dash or -x: not ours
    esac

    _po_flag=${1%%=*}
    _po_name=${_po_flag#--}
    _po_name=${_po_name//-/_}
    _po_is_option "$_po_name" ||
        _po_fail "unknown option ${_po_flag} (--help lists what there is)"
    if [[ $1 == *=* ]]; then
        _po_value=${1#*=}
        shift
    else
        [[ $# -ge 2 ]] || _po_fail "option ${_po_flag} needs a value"
        _po_value=$2
        # `--stage --ngpu 1` lacks a value; `--train_args --resume` does not.
        if [[ $_po_value == --* ]]; then
            _po_next=${_po_value#--}
            ! _po_is_option "${_po_next//-/_}" ||
                _po_fail "option ${_po_flag} needs a value, found ${_po_value} (${_po_flag}=${_po_value} if it is meant)"
        fi
        shift 2
    fi

    _po_default=${!_po_name-}
    if [[ $_po_default =~ ^(true|false)$ ]]; then
        [[ $_po_value =~ ^(true|false)$ ]] ||
            _po_fail "option ${_po_flag} is true or false, found '${_po_value}'"
    elif [[ $_po_default =~ ^-?[0-9]+(\.[0-9]+)?$ ]]; then
        [[ $_po_value =~ ^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?$ ]] ||
            _po_fail "option ${_po_flag} is a number, found '${_po_value}'"
        # Nine digits: bash refuses what is beyond its integers, and goes on.
        [[ ! $_po_name =~ ^(stage|stop_stage|seed|folds|ngpu|num_nodes|cpu_nproc|nj|[a-z]+_nj)$ ||
            $_po_value =~ ^(0|[1-9][0-9]{0,8})$ ]] ||
            _po_fail "option ${_po_flag} is a whole number, found '${_po_value}'"
    fi
    printf -v "$_po_name" '%s' "$_po_value"
done
unset -f _po_fail _po_is_option _po_documented _po_help
unset -v _po_flag _po_name _po_value _po_next _po_default
