#!/usr/bin/env bash
# All checks: style first, then the tests. Arguments go to pytest (./test.sh -k scoring).
# Fails if any check fails, but runs them all.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
if [[ ${1-} == -h || ${1-} == --help ]]; then
    echo "Usage: ./test.sh [OPTION OF PYTEST]...

Style checks (ruff, mypy, shellcheck), then all tests. Fails if any fails, but runs them all.

  -k WORDS              Only tests whose names match, e.g. -k \"scoring or plots\"
  -m \"not slow\"         Leave out the tests that train or install
  -x                    Stop at the first failure
  -n 0                  In one process, as --pdb and -s need it (default: 2 processes)
  FILE...               Only the tests of these files"
    exit 0
fi
. ./path.sh

failed=()
check() { # the name, then the command
    local name=$1
    shift
    "$@" || failed+=("${name}")
}

# Every shell script that git knows or would add: by its name or its first line.
shell_scripts() {
    local file line
    while IFS= read -r -d '' file; do
        [ -f "${file}" ] && [ ! -L "${file}" ] || continue
        case ${file##*/} in
        *.sh) ;;
        *.*) continue ;;
        *)
            IFS= read -r line <"${file}" || true
            [[ ${line} =~ ^'#!'.*[/\ ](ba)?sh($|\ ) ]] || continue
            ;;
        esac
        printf '%s\0' "${file}"
    done
}
if git rev-parse --git-dir >/dev/null 2>&1; then
    list=(git ls-files -z --cached --others --exclude-standard)
else # an unpacked archive
    list=(find . -path ./.venv -prune -o -type f -print0)
fi
scripts=()
while IFS= read -r -d '' script; do
    scripts+=("${script}")
done < <("${list[@]}" | shell_scripts)

check "ruff check" ruff check .
check "ruff format" ruff format --check .
check mypy mypy
check shellcheck shellcheck "${scripts[@]}"
if [ ${#failed[@]} -gt 0 ]; then
    echo "test.sh: error: ${failed[*]} failed; the tests run nevertheless" >&2
fi

# Tests of a file share what they make, and some go on where the one before ended.
check pytest python -m pytest -n 2 --dist loadfile --no-loadscope-reorder "$@"
[ ${#failed[@]} -eq 0 ]
