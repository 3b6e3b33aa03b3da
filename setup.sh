#!/usr/bin/env bash
# Prepares a Gradescope image: run once, as root, when the image is built, with the bundle in
# /autograder/source. The Dockerfile runs the same file. Running it again changes nothing.
#
# The system's python3 stays what it is, because Gradescope's own harness runs on it: a newer Python is
# installed beside it, and the packages go into an environment of their own.
set -euo pipefail
umask 022
export DEBIAN_FRONTEND=noninteractive PIP_NO_CACHE_DIR=1

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)

stop() {
    printf 'setup.sh: %s\nNext: %s\n' "$1" "$2" >&2
    exit 2
}

[ "$EUID" = 0 ] || stop "it must run as root, to install packages." "start it with sudo, or in a container."

update_once() {
    [ -n "${updated:-}" ] && return
    # A third party's broken list is no reason to stop: the install below says if something is missing.
    apt-get -o Acquire::Retries=3 update -q || echo "setup.sh: 'apt-get update' had trouble; going on." >&2
    updated=yes
}

# The first Python from 3.11 on that the system's lists offer (Ubuntu 22.04: python3.11 in universe).
install_python() {
    local version
    update_once
    for version in 3.11 3.12 3.13 3.14; do
        if apt-cache show "python$version-venv" >/dev/null 2>&1; then
            apt-get install -yq --no-install-recommends "python$version" "python$version-venv" && return
        fi
    done
    stop "the system's package lists offer no Python from 3.11 to 3.14." \
        "use a newer base image, or set AUTOGRADER_PYTHON to an interpreter that is there."
}

bash "$here/scripts/find-python" >/dev/null 2>&1 || install_python
if ! ldconfig -p | grep -q 'libseccomp\.so\.2'; then
    update_once
    apt-get install -yq --no-install-recommends libseccomp2
fi

# The engine's own environment, and what the assignments of this bundle need besides: most need no PyTorch, and its
# gigabyte would have to be loaded with every container. (The folder `assignment` is that of `run_autograder image`,
# whose context holds no grader.)
python=$(bash "$here/scripts/environment" "${AUTOGRADER_WANT:-base}")
if [ -f "$here/assignment/requirements.txt" ]; then
    bash "$here/scripts/environment" assignment "$here/assignment"
fi
if [ -d "$here/graders" ]; then
    needed=$("$python" -I -c 'import runpy, sys
sys.path.insert(0, sys.argv.pop(1))
runpy.run_module("autograder.environments_needed", run_name="__main__")' "$here" "$here/graders")
    while read -r kind folder; do
        [ -z "$kind" ] || bash "$here/scripts/environment" "$kind" ${folder:+"$folder"}
    done <<<"$needed"
fi

# The data sets that notebooks ask for are made ready now, out of the bundle's folder `data` if it has one.
if [ -d "$here/graders" ]; then
    bash "$here/run_autograder" data || echo "setup.sh: a grading that needs that data will fail too." >&2
fi

# Every container is fresh, so what isn't compiled now is compiled again for each submission.
"$python" -I -m compileall -qq "$here" || true # student code among the examples may be broken on purpose

# Student code needs nothing of this folder, which holds the hidden tests. A clone elsewhere is left alone:
# there it may be somebody's working copy.
[ "$here" = /autograder/source ] && chmod -R go-rwx "$here"

# A report, not a condition: the machine that builds an image may lack what the one that grades has, and a
# grading makes the same checks again before it starts.
if bash "$here/run_autograder" doctor; then
    echo "setup.sh: ready."
else
    echo "setup.sh: ready, but 'run_autograder doctor' found the trouble above; if the machine that grades" >&2
    echo "has it too, every grading will end as an autograder error, without a score." >&2
fi
