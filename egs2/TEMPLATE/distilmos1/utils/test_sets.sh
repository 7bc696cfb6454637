# shellcheck shell=bash
# Sets of other corpora, and levelled ones. distilmos.sh sources this; the
# variables are those at its top.
#
#   test             data/test of this recipe
#   somos/test       data/test of ../../somos/distilmos1, made by its local/data.sh if need be
#   somos/test@-26dB the same clips levelled (see format_audio --level_db)
# shellcheck disable=SC2154

# The data dir of set $1.
data_dir_of() {
    if [[ $1 == */* ]]; then
        echo "../../${1%%/*}/distilmos1/data/${1#*/}"
    else
        echo "data/$1"
    fi
}

# The corpus of this recipe.
own_corpus() { basename "$(dirname "${PWD}")"; }

# Whether set $1 is of a corpus that the model is not trained on.
is_out_of_domain() {
    local name
    [[ $1 == */* ]] || return 1
    for name in "$(own_corpus)/" ${train_set} ${train_sets-}; do
        if [[ ${name} == */* ]] && [ "${name%%/*}" = "${1%%/*}" ]; then return 1; fi
    done
}

# Put file $1, which says what the labels are, beside the set in folder $2. One that is
# not there, or is another user's, is left to those who read it.
record_labels() {
    [ ! -f "$1" ] || [ ! -w "$2" ] || cmp -s "$1" "$2/labels.yaml" || cp "$1" "$2/labels.yaml"
}

# The same for sets of this recipe; its local/data.sh may have done so.
record_own_labels() {
    local dset
    for dset in "$@"; do
        [[ ${dset} != */* ]] && [ -d "data/${dset}" ] || continue
        record_labels "${labels}" "data/${dset}"
        [ -f "data/${dset}/labels.yaml" ] ||
            log "data/${dset}: what the labels are (human, objective...) is not recorded: ${labels} can say it (doc/your_corpus.md)"
    done
}

# The test sets that are scored a second time, levelled: a name a line.
levelled_sets() {
    local dset
    case ${level_sets} in
    none) ;;
    auto)
        for dset in "${test_set_list[@]}"; do
            if is_out_of_domain "${dset}"; then echo "${dset}"; fi
        done
        ;;
    *)
        for dset in ${level_sets}; do echo "${dset}"; done
        ;;
    esac
}

# Stop where the local/data.sh of recipe $2 has not made set $1.
need_set() {
    local names
    [ ! -f "$(data_dir_of "$1")/wav.scp" ] || return 0
    names=("$2"/data/*/wav.scp)
    names=("${names[@]%/wav.scp}")
    fail "set $1: $2/local/data.sh makes no such set, there are: ${names[*]#"$2/data/"}"
}

# Make sure that the data dir of set $1, of another corpus, is there.
prepare_other_corpus() {
    local recipe names
    recipe=../../${1%%/*}/distilmos1
    if [ -f "$(data_dir_of "$1")/wav.scp" ]; then
        record_other_labels "$1"
        return
    fi
    if [ ! -x "${recipe}/local/data.sh" ]; then
        names=(../../*/distilmos1/local/data.sh)
        names=("${names[@]%/distilmos1/local/data.sh}")
        fail "set $1: no recipe for corpus '${1%%/*}', there are: ${names[*]#../../}"
    fi
    log "$(data_dir_of "$1") is not there: ${recipe}/local/data.sh"
    (cd "${recipe}" && local/data.sh) || fail "set $1: ${recipe}/local/data.sh failed"
    need_set "$1" "${recipe}"
    record_other_labels "$1"
}

# Put what the labels are beside set $1 of another corpus, unless its stage 1 has.
record_other_labels() {
    local dir
    dir=$(data_dir_of "$1")
    [ -f "${dir}/labels.yaml" ] || record_labels "${dir%/data/*}/local/labels.yaml" "${dir}"
}

# Make set $1 of this recipe out of the sets $2, e.g. "train somos/train".
combine() {
    local dset dir opts=()
    for dset in $2; do
        dir=$(data_dir_of "${dset}")
        if [[ ${dset} == */* ]]; then
            prepare_other_corpus "${dset}"
            opts+=(--set "${dset%%/*}" "${dir}" "${dir%/data/*}")
        else
            need_set "${dset}" .
            opts+=(--set "$(own_corpus)" "${dir}" .)
        fi
    done
    ${python} -m espnet2_distilmos.bin.combine_sets "${opts[@]}" --output_dir "data/$1"
}

# Format the sets of other corpora and the levelled sets: dump/raw/<set>.
format_other_sets() {
    local dset dir out
    for dset in "${test_set_list[@]}"; do
        if [[ ${dset} == */* ]]; then
            prepare_other_corpus "${dset}"
            dir=$(data_dir_of "${dset}")
            out=${dumpdir}/raw/${dset}
            ${python} -m espnet2_distilmos.bin.format_audio \
                --data_dirs "${dir}" --audio_root "${dir%/data/*}" --output_dir "${out%/*}"
        fi
    done
    for dset in "${levelled_list[@]}"; do
        out=${dumpdir}/raw/${dset}
        need "${out}/wav.scp" 1
        ${python} -m espnet2_distilmos.bin.format_audio \
            --data_dirs "${out}" --output_dir "${out%/*}" \
            --level_db "${level_db}" --suffix "@${level_db}dB"
    done
}
