"""A signature says one thing only: that a trusted key has made this very release."""

from __future__ import annotations

import base64
import json
import os
import re
import stat

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from securesystemslib.dsse import Envelope
from securesystemslib.signer import CryptoSigner, Signature

from slipway.delivery import build, verbs
from slipway.delivery.agent import installation
from slipway.delivery.environment_file import EnvironmentFile
from slipway.delivery.home import Place
from slipway.delivery.release import Release
from slipway.delivery.trust import attestation, keys, signature
from slipway.errors import UserError

DIGEST, OTHER = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
INPUTS = {"data": f"{'d' * 32}.dir", "model": f"{'e' * 32}.dir", "params": "1" * 64, "requirements": "2" * 64}


def built(folder, digest=DIGEST, **inputs) -> Release:
    return Release(folder, digest, {"version": "v0.1.0", "commit": "c" * 40, "inputs": INPUTS | inputs})


@pytest.fixture
def key(tmp_path) -> CryptoSigner:
    """A key that is trusted in the folder `root`, and its private half in key.pem."""
    keys.make(tmp_path / "root", tmp_path / "key.pem")
    return _signer(tmp_path / "key.pem")


def _signer(file) -> CryptoSigner:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(keys.SIGNING_KEY, str(file))
        return keys.signer()


def enveloped(payload: object, signer: CryptoSigner, kind: str = signature.PAYLOAD) -> bytes:
    envelope = Envelope(payload if isinstance(payload, bytes) else json.dumps(payload).encode(), kind, {})
    envelope.sign(signer)
    return json.dumps(envelope.to_dict()).encode() + b"\n"


def accepted(tmp_path, *files: bytes) -> str:
    return signature.verify("v0.1.0", DIGEST, files, keys.trusted(tmp_path / "root"))[0]


def test_a_signature_by_a_trusted_key_is_accepted_and_the_key_is_named(tmp_path, key):
    name, content = signature.sign(built(tmp_path), key)
    short = key.public_key.keyid[:8]
    assert (f"signature-{short}.intoto.jsonl", short) == (name, accepted(tmp_path, content))


def test_anybody_can_verify_it_with_the_public_key_alone(tmp_path, key):
    envelope = json.loads(signature.sign(built(tmp_path), key)[1])
    payload, kind = base64.b64decode(envelope["payload"]), envelope["payloadType"]
    signed = b"DSSEv1 %d %b %d %b" % (len(kind), kind.encode(), len(payload), payload)
    (public,) = (tmp_path / "root" / keys.TRUSTED).glob("*.pem")
    load_pem_public_key(public.read_bytes()).verify(base64.b64decode(envelope["signatures"][0]["sig"]), signed)


def test_the_statement_names_what_the_release_was_made_of(tmp_path):
    said = signature.statement(built(tmp_path, data=json.dumps({"a": "1.dir", "b": "2"})))
    assert ("https://in-toto.io/Statement/v1", "https://slsa.dev/provenance/v1") == (
        said["_type"],
        said["predicateType"],
    )
    assert [{"name": "manifest.json", "digest": {"sha256": "a" * 64}}] == said["subject"]
    made_of = {one["name"]: one["digest"] for one in said["predicate"]["buildDefinition"]["resolvedDependencies"]}
    assert {"gitCommit": "c" * 40} == made_of["commit"]
    assert ({"md5": "1"}, {"md5": "2"}) == (made_of["a (DVC)"], made_of["b (DVC)"])
    assert ({"md5": "e" * 32}, {"sha256": "1" * 64}) == (made_of["model (DVC)"], made_of["params"])


def unsigned(right, key, other):
    return []


def by_another_key(right, key, other):
    return [enveloped(right, other)]


def of_another_release(right, key, other):
    return [enveloped(right | {"subject": [{"name": "manifest.json", "digest": {"sha256": OTHER[7:]}}]}, key)]


def of_two_releases(right, key, other):
    subject = [{"name": "manifest.json", "digest": {"sha256": one[7:]}} for one in (DIGEST, OTHER)]
    return [enveloped(right | {"subject": subject}, key)]


def with_another_payload(right, key, other):
    envelope = json.loads(enveloped(right, key))
    payload = json.dumps(right | {"more": 1}).encode()
    return [json.dumps(envelope | {"payload": base64.b64encode(payload).decode()}).encode()]


def with_another_type(right, key, other):
    return [enveloped(right, key).replace(b"vnd.in-toto", b"vnd.in-tote")]


def signed_as_another_type(right, key, other):
    return [enveloped(right, key, "text/plain")]


def about_something_else(right, key, other):
    return [enveloped(right | {"predicateType": "https://in-toto.io/attestation/vulns/v0.1"}, key)]


def not_a_statement(right, key, other):
    return [enveloped(b"[]", key)]


def under_the_name_of_a_trusted_key(right, key, other):
    envelope = Envelope(json.dumps(right).encode(), signature.PAYLOAD, {})
    forged = other.sign(envelope.pae())
    envelope.signatures[key.public_key.keyid] = Signature(key.public_key.keyid, forged.signature)
    return [json.dumps(envelope.to_dict()).encode()]


def without_a_signature(right, key, other):
    return [json.dumps(json.loads(enveloped(right, key)) | {"signatures": []}).encode()]


def too_large(right, key, other):
    return [enveloped(right, key) + b" " * signature.SIGNATURE_BYTES_MAX]


def empty(right, key, other):
    return [b""]


REFUSED = {
    unsigned: "v0.1.0: not signed; trusted is",
    by_another_key: "signed by no trusted key",
    of_another_release: f"the signature of another release \\({OTHER}\\)",
    of_two_releases: "the signature of another release",
    with_another_payload: "changed since \\w{8} signed it",
    with_another_type: "changed since \\w{8} signed it",
    signed_as_another_type: "signed as text/plain",
    about_something_else: "signed as https://in-toto.io/attestation/vulns",
    not_a_statement: "not as a statement about a release",
    under_the_name_of_a_trusted_key: "changed since \\w{8} signed it",
    without_a_signature: "signed by no trusted key",
    too_large: "at most 100,000 are read",
    empty: "an empty signature",
}


@pytest.mark.parametrize(("wrong", "reason"), REFUSED.items(), ids=lambda one: getattr(one, "__name__", ""))
def test_what_does_not_say_that_a_trusted_key_made_this_release_is_refused(tmp_path, key, wrong, reason):
    files = wrong(signature.statement(built(tmp_path)), key, CryptoSigner.generate_ed25519())
    with pytest.raises(UserError, match=reason):
        accepted(tmp_path, *files)


@pytest.mark.parametrize(
    "text",
    [
        *("{", "[]", "1", "null", "{}", "\ud83d", "[" * 100_000),
        '{"payload": 1, "payloadType": "x", "signatures": []}',
        '{"payload": "YQ==", "payloadType": 1, "signatures": []}',
        '{"payload": "YQ==", "payloadType": "x", "signatures": {"a": 1}}',
        '{"payload": "YQ==", "payloadType": "x", "signatures": [{"keyid": ["a"], "sig": "AA=="}]}',
        '{"payload": "YQ==", "payloadType": "x", "signatures": [{"keyid": "a"}]}',
        '{"payload": "!", "payloadType": "x", "signatures": []}',
    ],
)
def test_what_is_no_envelope_is_refused_in_one_line(tmp_path, key, text):
    with pytest.raises(UserError, match=r"a signature that cannot be read|at most"):
        accepted(tmp_path, text.encode(errors="surrogatepass"))


def test_one_good_signature_among_bad_ones_is_enough(tmp_path, key):
    bad = signature.sign(built(tmp_path), CryptoSigner.generate_ed25519())[1]
    good = signature.sign(built(tmp_path), key)[1]
    assert accepted(tmp_path, b"{}", bad + good)


def test_a_key_that_was_removed_is_not_trusted_any_more(tmp_path, key):
    content = signature.sign(built(tmp_path), key)[1]
    keys.make(tmp_path / "root", tmp_path / "next.pem")
    assert accepted(tmp_path, content)
    (tmp_path / "root" / keys.TRUSTED / f"{key.public_key.keyid[:8]}.pem").unlink()
    with pytest.raises(UserError, match="signed by no trusted key"):
        accepted(tmp_path, content)


def test_a_private_key_is_for_its_owner_only_and_never_replaced_nor_put_into_the_checkout(tmp_path, key):
    assert 0o600 == stat.S_IMODE((tmp_path / "key.pem").stat().st_mode)
    with pytest.raises(UserError, match=r"key\.pem: there already"):
        keys.make(tmp_path / "root", tmp_path / "key.pem")
    with pytest.raises(UserError, match="in the checkout, where it may be committed"):
        keys.make(tmp_path / "root", tmp_path / "root" / "key.pem")


def test_a_private_key_may_be_given_as_text(tmp_path, key, monkeypatch):
    monkeypatch.setenv(keys.SIGNING_KEY, (tmp_path / "key.pem").read_text())
    assert key.public_key.keyid == keys.signer().public_key.keyid


@pytest.mark.parametrize("given", ["-----BEGIN PRIVATE KEY-----\nhunter2\n", "hunter2", "/"])
def test_a_private_key_that_cannot_be_read_is_not_repeated(monkeypatch, given):
    monkeypatch.setenv(keys.SIGNING_KEY, given)
    with pytest.raises(UserError) as caught:
        keys.signer()
    assert str(caught.value).startswith("SLIPWAY_SIGNING_KEY: neither a private key in PEM nor a file")
    assert "hunter2" not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("named", ["nowhere", "empty"])
def test_keys_that_are_named_and_not_there_do_not_mean_that_none_is_needed(tmp_path, monkeypatch, named):
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv(keys.TRUSTED_KEYS, str(tmp_path / named))
    with pytest.raises(UserError, match=r"holds no \*\.pem|no public key in PEM"):
        keys.trusted(tmp_path)


def test_the_machines_own_keys_take_the_place_of_the_committed_ones(tmp_path, key, monkeypatch):
    keys.make(tmp_path / "machine", tmp_path / "other.pem")
    monkeypatch.setenv(keys.TRUSTED_KEYS, str(tmp_path / "machine" / keys.TRUSTED))
    with pytest.raises(UserError, match="signed by no trusted key"):
        accepted(tmp_path, signature.sign(built(tmp_path), key)[1])


def test_a_trusted_key_that_is_a_private_one_is_refused(tmp_path, key):
    (tmp_path / "key.pem").replace(tmp_path / "root" / keys.TRUSTED / "key.pem")
    with pytest.raises(UserError, match=r"trusted-keys/key\.pem: no public key in PEM"):
        keys.trusted(tmp_path / "root")


def test_what_is_built_here_is_signed_and_published_with_its_signature(project, tmp_path, monkeypatch, capsys):
    keys.make(project.root, tmp_path / "key.pem")
    monkeypatch.setenv(keys.SIGNING_KEY, str(tmp_path / "key.pem"))
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    project.commit()
    folder = project.build("v0.1.0")
    monkeypatch.setattr(build, "build", lambda *_: build.release.verify(folder))
    verbs.build(folder, None)
    verbs.publish(folder, None)
    digest = project.branch.published("v0.1.0").digest
    there = signature.of_release(project.store, "v0.1.0")
    assert signature.verify("v0.1.0", digest, there, keys.trusted(project.root))
    assert "built=true\nrelease=v0.1.0\n" == (tmp_path / "output").read_text()


def test_what_was_fetched_is_not_signed(project, tmp_path, monkeypatch, capsys):
    project.publish("v0.1.0")
    keys.make(project.root, tmp_path / "key.pem")
    monkeypatch.setenv(keys.SIGNING_KEY, str(tmp_path / "key.pem"))
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    output = tmp_path / "release"
    signature.evidence_folder(output).mkdir()
    (signature.evidence_folder(output) / "signature-of-another.intoto.jsonl").touch()
    verbs.build(output, None)
    verbs.publish(output, None)
    assert [] == list(signature.of_release(project.store, "v0.1.0"))
    assert "built=false\nrelease=v0.1.0\n" == (tmp_path / "output").read_text()


def test_no_service_gets_the_signing_key(project, tmp_path, monkeypatch):
    monkeypatch.setenv(keys.SIGNING_KEY, "hunter2")
    project.publish("v0.1.0")
    project.promote("v0.1.0")
    place, content = Place.of("staging"), project.branch.read("staging")
    installation.install(place, project.store, content)
    _, environment = installation.command(place, installation.verified(place, content.digest), 1)
    assert "hunter2" not in environment.values()
    assert "hunter2" not in build._environment().values()
    assert "hunter2" in os.environ.values()


class Signed:
    """v0.1.0 serves staging, unsigned; then a key is trusted on this machine, and v0.2.0 should run."""

    def __init__(self, crew, tmp_path, monkeypatch) -> None:
        self.crew, self.project = crew, crew.project
        self.project.publish("v0.1.0")
        self.project.promote("v0.1.0")
        crew.settle()
        keys.make(tmp_path / "machine", tmp_path / "key.pem")
        self.trusted = tmp_path / "machine" / keys.TRUSTED
        monkeypatch.setenv(keys.TRUSTED_KEYS, str(self.trusted))
        self.signer = _signer(tmp_path / "key.pem")
        self.folder = tmp_path / "beside"
        self.folder.mkdir()

    def publish(self, version: str = "v0.2.0") -> Release:
        release = self.project.publish(version)
        self.project.promote(version)
        return release

    def sign(self, release: Release, signer: CryptoSigner | None = None) -> None:
        name, content = signature.sign(release, signer or self.signer)
        (self.folder / name).write_bytes(content)
        self.project.store.add_evidence(release.version, [self.folder / name])

    @property
    def content(self) -> EnvironmentFile:
        return self.project.branch.read("staging")


@pytest.fixture
def signed(crew, tmp_path, monkeypatch):
    return Signed(crew, tmp_path, monkeypatch)


def test_an_agent_installs_nothing_unsigned_says_so_once_and_what_serves_goes_on(signed):
    signed.publish()
    signed.crew.settle()
    crew = signed.crew
    crew.agent.reconcile()
    assert "v0.1.0" == crew.serves
    assert "v0.2.0: not signed; trusted is" in crew.agent.state.bad.reason
    assert 1 == len([event for event in crew.events if "v0.2.0 is bad" in event])
    assert not installation.folder(crew.place, signed.content.digest).exists()


def test_an_agent_refuses_a_release_by_another_key_and_serves_one_by_a_trusted_key(signed):
    signed.sign(signed.publish(), CryptoSigner.generate_ed25519())
    signed.crew.settle()
    assert "signed by no trusted key" in signed.crew.agent.state.bad.reason
    signed.sign(signed.publish("v0.3.0"))
    signed.crew.settle()
    assert "v0.3.0" == signed.crew.serves


def test_an_agent_does_not_go_back_to_what_is_installed_and_was_signed_by_a_removed_key(signed):
    signed.sign(signed.publish())
    signed.crew.settle()
    signed.sign(signed.publish("v0.3.0"))
    signed.crew.settle()
    assert "v0.3.0" == signed.crew.serves
    for file in signed.trusted.glob("*.pem"):
        file.unlink()
    keys.make(signed.trusted.parents[1], signed.folder / "next.pem")
    signed.project.promote("v0.2.0")
    signed.crew.settle()
    assert "signed by no trusted key" in signed.crew.agent.state.bad.reason
    assert "v0.3.0" == signed.crew.serves


def test_what_serves_is_healed_without_a_signature_and_what_was_accepted_without_the_store(signed, monkeypatch):
    crew = signed.crew
    (old,) = crew.agent.state.instances
    crew.agent._reap(old)
    crew.settle()
    assert "v0.1.0" == crew.serves
    signed.sign(signed.publish())
    crew.settle()
    monkeypatch.setattr(signed.project.store, "evidence_names", lambda _: pytest.fail("the store was asked"))
    installation.refuse_untrusted(crew.place, signed.project.store, signed.content)


def test_an_agent_that_requires_an_attestation_installs_only_what_gh_verifies(crew, monkeypatch, tmp_path):
    project, gh, bundle = crew.project, tmp_path / "bin/gh", tmp_path / attestation.NAME
    project.publish("v0.1.0")
    project.promote("v0.1.0")
    crew.settle()
    monkeypatch.setenv(attestation.REQUIRED, "true")
    monkeypatch.setenv("GITHUB_REPOSITORY", "team/flights")
    monkeypatch.setenv("PATH", f"{gh.parent}{os.pathsep}{os.environ['PATH']}")
    gh.parent.mkdir()
    bundle.write_text("{}")
    for version, said, reason in (
        ("v0.2.0", "", "v0.2.0: has no attestation from GitHub"),
        ("v0.3.0", "sleep 0.3; echo refused >&2; exit 1", "gh attestation verify .*: refused"),
        ("v0.4.0", "echo '[{}]'", None),
    ):
        gh.write_text(f"#!/bin/sh\necho asked >>$0.log\n{said}\n")
        gh.chmod(0o755)
        project.publish(version)
        project.store.add_evidence(version, [bundle] if said else [])
        project.promote(version)
        crew.settle()
        assert ("v0.1.0" if reason else version) == crew.serves
        assert not reason or re.search(reason, crew.agent.state.bad.reason)
    asked = gh.with_name("gh.log").read_text()
    assert ["asked", "asked"] == asked.split(), "nothing looks at a release that is still being installed"
    (installation.folder(crew.place, project.branch.read("staging").digest) / "kind").write_text("other")
    (old,) = crew.agent.state.instances
    crew.agent._reap(old)
    crew.settle()
    assert "v0.4.0" == crew.serves
    project.promote("v0.1.0")
    crew.settle()
    assert "v0.1.0: has no attestation from GitHub" in crew.agent.state.bad.reason
