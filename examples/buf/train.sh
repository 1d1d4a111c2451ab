#!/usr/bin/env bash
# Trains and predicts on a pytrainr server from the shell, through the server's reflection: no .proto files are needed.
#
#   npm install --global @bufbuild/buf
#   TRAINR_ADDRESS=127.0.0.1:7272 ./train.sh
#
# TRAINR_TOKEN is the token, TRAINR_CACERT the PEM file of the authority that signed the server's certificate.
set -euo pipefail

address=${TRAINR_ADDRESS:-127.0.0.1:7272}
if [ -n "${TRAINR_CACERT:-}" ]; then
    url=https://$address
    options=(--cacert "$TRAINR_CACERT")
else
    url=http://$address
    options=(--http2-prior-knowledge)
fi
if [ -n "${TRAINR_TOKEN:-}" ]; then
    options+=(--header "authorization: Bearer $TRAINR_TOKEN" --reflect-header "authorization: Bearer $TRAINR_TOKEN")
fi
call() { buf curl --protocol grpc "${options[@]}" --data "$2" "$url/trainr.v1.$1"; }

# Four samples of three time steps, one variable: little-endian doubles 0 and 1, in base64 as JSON has bytes.
numbers() {
    for bit in "$@"; do
        if [ "$bit" = 1 ]; then printf '\0\0\0\0\0\0\360\77'; else printf '\0\0\0\0\0\0\0\0'; fi
    done | base64 -w 0
}
tensor() { printf '{"dim": ["4", "3", "1"], "elementOrder": "ELEMENT_ORDER_ROW_MAJOR", "data": "%s"}' "$1"; }
x=$(tensor "$(numbers 1 0 0  0 1 0  1 1 0  0 0 1)")
y=$(tensor "$(numbers 0 1 0  0 0 1  0 1 1  0 0 0)") # the input one step later

echo "# Train: one event after the other as it comes"
call TrainingService/Train "{
    \"training\": {
        \"x\": $x, \"y\": $y, \"seed\": \"1\", \"modelId\": \"delay\",
        \"options\": {\"learningrate\": 0.5, \"hiddenDim\": [\"4\"], \"numepochs\": \"200\"}
    },
    \"requestId\": \"$(cat /proc/sys/kernel/random/uuid)\"
}" | grep -E '"(state|meanError|model)":' | tail -n 3

echo "# Predict with the stored model"
call PredictionService/Predict "{\"storedModel\": \"models/delay\", \"x\": $x}"

echo "# What the server knows about it"
call ModelService/GetModel '{"name": "models/delay"}'
