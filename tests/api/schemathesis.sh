#!/usr/bin/env bash
# Calls every operation of /v1/openapi.json on a running gateway, with what follows the document and what does not, and
# fails where an answer is not as documented. Takes about 20 seconds.
#
#     python3 -m venv /tmp/st && /tmp/st/bin/pip install 'schemathesis>=4.32,<5'
#     cargo build -p omnigate && cargo xtask plugins
#     SCHEMATHESIS=/tmp/st/bin/schemathesis tests/api/schemathesis.sh [more options of `schemathesis run`]
#
# /v1/events is left out, since it has no end; tests/it/api/events.rs follows it.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
gateway=${OMNIGATE:-$root/target/debug/omnigate}
plugins=${OMNIGATE_PLUGINS:-$root/target/plugins}
home=$(mktemp -d)
trap 'kill "$process" 2>/dev/null || true; wait "$process" 2>/dev/null || true; rm -rf "$home"' EXIT

mkdir "$home/plugins"
ln -s "$plugins/telegram.wasm" "$home/plugins/"
cat > "$home/config.toml" <<TOML
[server]
listen = "127.0.0.1:0"
[plugins]
directory = "plugins"
[delivery]
retries = []
[api.keys.all]
key = "schemathesis-key-0123456789"
scopes = ["messages", "contacts", "admin"]
[backends.desk]
url = "http://127.0.0.1:1/"   # nobody listens there: what goes to it becomes dead letters
secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
timeout = "1s"
[channels.bot]
adapter = "telegram"
settings = { api_base = "http://127.0.0.1:1" }
secrets = { bot_token = "1:token", webhook_secret = "hook" }
grants = { hosts = ["127.0.0.1:1"] }
TOML

"$gateway" run --config "$home/config.toml" > "$home/out" 2> "$home/err" &
process=$!
until grep -q '"ready"' "$home/out"; do
  kill -0 "$process" 2>/dev/null || { cat "$home/err" >&2; exit 1; }
  read -rt 0.1 < <(:) || true
done
url=http://$(sed -n 's/.*"listen":"\([^"]*\)".*/\1/p' "$home/out")
authorization="Authorization: Bearer schemathesis-key-0123456789"

api() { curl --silent --show-error --fail --header "$authorization" "$@"; }
webhook() { api --header 'x-telegram-bot-api-secret-token: hook' --json "$1" "$url/channels/bot" > /dev/null; }
# The value at a path such as interactions.0.id
pick() { python3 -c 'import functools, json, sys
step = lambda value, key: value[int(key) if key.isdigit() else key]
print(functools.reduce(step, sys.argv[1].split("."), json.load(sys.stdin)))' "$1"; }

chat='{"id":7,"type":"private","first_name":"Ana"}'
webhook "{\"update_id\":1,\"message\":{\"message_id\":1,\"from\":{\"id\":7,\"is_bot\":false,\"first_name\":\"Ana\"},\"chat\":$chat,\"date\":1767225600,\"text\":\"hi\"}}"
webhook '{"update_id":2,"something_new":{}}'
heard=$(api "$url/v1/interactions?type=message.received")
INTERACTION_ID=$(pick interactions.0.id <<< "$heard")
CONTACT_ID=$(pick interactions.0.data.contact.id <<< "$heard")
CONVERSATION_ID=$(pick interactions.0.data.conversation.id <<< "$heard")
IDENTITY=telegram:$(pick interactions.0.data.from.value <<< "$heard")
SCOPE=$(pick interactions.0.data.from.scope <<< "$heard")
RAW_ID=$(api "$url/v1/interactions?type=channel.unsupported" | pick interactions.0.id)
MESSAGE_ID=$(api --json "{\"contact_id\":\"$CONTACT_ID\",\"message\":{\"parts\":[{\"type\":\"text\",\"text\":\"hello\"}]}}" "$url/v1/messages" | pick id)
MEDIA_ID=$(api --data-binary hello --header 'content-type: text/plain' "$url/v1/media?name=a.txt" | pick id)
until DEAD_ID=$(api "$url/v1/dead-letters" | pick dead_letters.0.id 2>/dev/null); do read -rt 0.1 < <(:) || true; done
export IDENTITY SCOPE INTERACTION_ID CONTACT_ID CONVERSATION_ID RAW_ID MESSAGE_ID MEDIA_ID DEAD_ID

cd "$home"
"${SCHEMATHESIS:-schemathesis}" --config-file "$here/schemathesis.toml" run "$url/v1/openapi.json" \
  --header "$authorization" --exclude-path /v1/events --checks all --max-examples 30 --workers 1 "$@"
