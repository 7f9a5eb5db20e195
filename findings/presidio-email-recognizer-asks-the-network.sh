#!/usr/bin/env bash
# Presidio's EmailRecognizer asks the network, although it is a pattern and loads no model.
#
# Expected: a recognizer of patterns tests a text on this machine only.
# Seen: the first address that it tests makes tldextract open a connection to download a list of domains. Without a
#   network the address is found by an older list in the package, after the attempts have failed. A subclass whose
#   parser is `TLDExtract(suffix_list_urls=(), cache_dir=None)` finds it without an attempt.
# Versions: presidio-analyzer 2.2.366, tldextract 5.4.0, Python 3.11.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check presidio-analyzer==2.2.366 tldextract==5.4.0
cat >"$folder/run.py" <<'PY'
import socket

hosts = []


def refuse(host, *_, **__):
    hosts.append(host)
    raise socket.gaierror("no network here")


socket.getaddrinfo = refuse

import tldextract
from presidio_analyzer.predefined_recognizers import CreditCardRecognizer, EmailRecognizer


class Offline(EmailRecognizer):
    domains = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)

    def validate_result(self, pattern_text):
        return self.domains(pattern_text).fqdn != ""


for name, recognizer, text in [
    ("card", CreditCardRecognizer(), "4111 1111 1111 1111"),
    ("email offline", Offline(), "ada@example.com"),
    ("email", EmailRecognizer(), "ada@example.com"),
]:
    hosts.clear()
    found = recognizer.analyze(text, recognizer.supported_entities, None)
    print(name, len(found), "found;", "asks the network" if hosts else "asks nothing")
PY
cd "$folder"
TLDEXTRACT_CACHE=$folder/cache env -u http_proxy -u https_proxy -u HTTP_PROXY -u HTTPS_PROXY -u ALL_PROXY -u all_proxy \
  venv/bin/python run.py 2>/dev/null | tee seen
diff seen - <<'SEEN'
card 1 found; asks nothing
email offline 1 found; asks nothing
email 1 found; asks the network
SEEN
