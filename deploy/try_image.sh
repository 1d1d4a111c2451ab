#!/usr/bin/env bash
# Does what the Dockerfile does without Docker: builds the image's environment and runs it as user 10001 on a read-only
# root with the two volumes. Needs root, a Python 3.12 (or $PYTHON) and a package index; from the root of a clone:
#
#   deploy/try_image.sh /tmp/image
set -euo pipefail
image=$1 python=${PYTHON:-python3.12}

if [ ! -e "$image/opt/bin/pytrainr-server" ]; then
    mkdir -p "$image/source"
    # What COPY takes in, no more.
    sed -n 's/^COPY \([^-].*\) [^ ]*$/\1/p' deploy/Dockerfile | tr ' ' '\n' | sed '/^$/d' |
        tar --create --exclude=__pycache__ --exclude='*.egg-info' --files-from=- | tar --extract --directory "$image/source"
    "$python" -m venv "$image/opt"
    extras=$(sed -n "s/.*install --no-cache-dir '\.\(\[.*\]\)'.*/\1/p" deploy/Dockerfile)
    (cd "$image/source" && "$image/opt/bin/pip" install --quiet --no-cache-dir ".$extras")
fi
mkdir -p "$image/data" "$image/cache" "$image/tmp"
chown 10001:10001 "$image/data" "$image/cache" "$image/tmp"

exec unshare --mount bash -euc '
    image=$1
    mount --bind "$image" "$image"
    mount -o remount,ro,bind "$image"
    for volume in data cache tmp; do mount -t tmpfs -o uid=10001,gid=10001,mode=700 none "$image/$volume"; done
    mount -o remount,ro,bind / 2>/dev/null || echo "the root of this machine stays writable for root; user 10001 is not"
    cd /
    export PATH=$image/opt/bin:$PATH TMPDIR=$image/tmp HOME=/nonexistent PYTHONDONTWRITEBYTECODE=1
    export NUMBA_CACHE_DIR=$image/cache PYTRAINR_SERVER_DATA_DIR=$image/data PYTRAINR_SERVER_METRICS=127.0.0.1:9100
    user="setpriv --reuid 10001 --regid 10001 --clear-groups --no-new-privs --bounding-set=-all"
    as_user() { $user "$@"; }
    as_user touch "$image/opt/x" 2>/dev/null && { echo "the image can be written to"; exit 1; }
    as_user pytrainr warmup
    $user pytrainr-server serve --listen 127.0.0.1:7272 &
    server=$!
    for _ in $(seq 300); do
        as_user python -c "import urllib.request as u; print(u.urlopen(\"http://127.0.0.1:9100/health\", timeout=4).read())" \
            2>/dev/null && break || sleep 1
    done
    as_user python -c "
import numpy as np, pytrainr_client
X = np.random.default_rng(1).random((20, 4, 1))
with pytrainr_client.connect(\"127.0.0.1:7272\") as server:
    model = server.trainr(X, X, learningrate=0.1, numepochs=2)
    print(\"trained as user\", __import__(\"os\").getuid(), server.predictr(model, X).shape)
"
    kill -TERM $server && wait $server
' - "$image"
