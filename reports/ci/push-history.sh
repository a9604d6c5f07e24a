#!/usr/bin/env bash
# Commits what is new in a folder made by fetch-history.sh and pushes it to its branch, also while other jobs push to it.
#
#   push-history.sh FOLDER [BRANCH]      BRANCH is `benchmarks` unless given, the remote `origin` unless $REMOTE names another
#
# Run folders are never changed once they are there, and each has a name of its own: two jobs add different folders, so that the later
# one only has to put its commit on top of the other's. Tried $TRIES times (5), with pauses of $PAUSE_S (2), twice that, ... seconds.
set -euo pipefail

folder=${1:?usage: push-history.sh FOLDER [BRANCH]}
branch=${2:-benchmarks}
remote=${REMOTE:-origin}
tries=${TRIES:-5}
pause_s=${PAUSE_S:-2}

export GIT_AUTHOR_NAME=${GIT_AUTHOR_NAME:-paragone} GIT_AUTHOR_EMAIL=${GIT_AUTHOR_EMAIL:-nightly@localhost}
export GIT_COMMITTER_NAME=${GIT_COMMITTER_NAME:-paragone} GIT_COMMITTER_EMAIL=${GIT_COMMITTER_EMAIL:-nightly@localhost}
cd "$folder"

git add --all .
if ! git diff --cached --quiet; then
    git commit --quiet --no-verify --message "Runs of $(date -u +%Y-%m-%dT%H:%MZ)"
fi

for ((try = 1; try <= tries; try++)); do
    if git push --quiet --no-verify "$remote" "HEAD:refs/heads/$branch"; then
        exit 0
    fi
    [ "$try" -lt "$tries" ] || break
    sleep $((try * pause_s + (pause_s > 0 ? RANDOM % (pause_s + 1) : 0)))
    git fetch --quiet "$remote" "refs/heads/$branch" || continue # not there yet, or the net is down: try the push again
    if ! git rebase --quiet FETCH_HEAD; then
        git rebase --abort || true
        echo "push-history.sh: a file was changed here and in '$branch' too; what is new here is committed in $folder and not pushed" >&2
        exit 1
    fi
done
echo "push-history.sh: '$branch' was not pushed in $tries tries; what is new here is committed in $folder" >&2
exit 1
