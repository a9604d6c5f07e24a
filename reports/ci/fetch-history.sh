#!/usr/bin/env bash
# Puts the branch that keeps the run folders into a folder of its own (a git worktree); before the first night it is empty.
#
#   fetch-history.sh FOLDER [BRANCH]     BRANCH is `benchmarks` unless given, the remote `origin` unless $REMOTE names another
#
# What is kept is said by the branch's own .gitignore: JSON and TOML, which is all that the history reads. Samples, plots and reports
# would make the branch grow by megabytes a night; a job uploads them instead.
set -euo pipefail

folder=${1:?usage: fetch-history.sh FOLDER [BRANCH]}
branch=${2:-benchmarks}
remote=${REMOTE:-origin}

git worktree prune
status=0
git ls-remote --exit-code --heads "$remote" "refs/heads/$branch" >/dev/null || status=$?
if [ "$status" -eq 0 ]; then
    git fetch --quiet "$remote" "+refs/heads/$branch:refs/remotes/$remote/$branch"
    git worktree add --quiet --detach "$folder" "refs/remotes/$remote/$branch"
elif [ "$status" -eq 2 ]; then # the remote answers, and has no such branch
    # The same commit on every machine, so that two first nights at once share their root.
    root=$(git mktree </dev/null | GIT_AUTHOR_NAME=paragone GIT_AUTHOR_EMAIL=nightly@localhost GIT_AUTHOR_DATE='@0 +0000' \
        GIT_COMMITTER_NAME=paragone GIT_COMMITTER_EMAIL=nightly@localhost GIT_COMMITTER_DATE='@0 +0000' \
        xargs -I TREE git commit-tree TREE -m 'History of runs')
    git worktree add --quiet --detach "$folder" "$root"
    printf '%s\n' '*' '!*/' '!.gitignore' '!*.json' '!*.toml' >"$folder/.gitignore"
else
    echo "fetch-history.sh: the remote '$remote' cannot be read (git ls-remote ended with $status)" >&2
    exit 1
fi
