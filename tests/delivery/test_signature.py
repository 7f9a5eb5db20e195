"""A valid signature proves that a trusted key signed this very release, and nothing else is accepted."""

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

from slipway.agent import installation
from slipway.deployment import delivery
from slipway.environment.place import Place
from slipway.environment.spec import EnvironmentFile
from slipway.errors import ArgumentError, MissingFileError, RejectedError, UnreadableFileError
from slipway.release import build, lifecycle
from slipway.release.manifest import Release
from slipway.release.signing import attestation, keys, signature
from tests import release_manifest

DIGEST, OTHER = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
INPUTS = {"data": f"{'d' * 32}.dir", "model": f"{'e' * 32}.dir", "params": "1" * 64, "requirements": "2" * 64}


def built(folder, digest=DIGEST, **inputs) -> Release:
    return Release(folder, digest, release_manifest.manifest(inputs=INPUTS | inputs))


@pytest.fixture
def key(tmp_path) -> CryptoSigner:
    """Return the signer of key.pem, whose public key is trusted in the folder `root`."""
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


def verified_by(tmp_path, *files: bytes) -> str:
    return signature.verify("v0.1.0", DIGEST, files, keys.trusted(tmp_path / "root"))[0]


def test_a_signature_by_a_trusted_key_is_accepted_and_the_key_is_named(tmp_path, key):
    name, content = signature.sign(built(tmp_path), key)
    short = key.public_key.keyid[:8]
    assert (f"signature-{short}.intoto.jsonl", short) == (name, verified_by(tmp_path, content))


def test_the_public_key_is_enough_to_verify_a_signature(tmp_path, key):
    envelope = json.loads(signature.sign(built(tmp_path), key)[1])
    payload, kind = base64.b64decode(envelope["payload"]), envelope["payloadType"]
    signed = b"DSSEv1 %d %b %d %b" % (len(kind), kind.encode(), len(payload), payload)
    (public,) = (tmp_path / "root" / keys.TRUSTED).glob("*.pem")
    load_pem_public_key(public.read_bytes()).verify(base64.b64decode(envelope["signatures"][0]["sig"]), signed)


def test_the_statement_names_the_inputs_of_the_release(tmp_path):
    statement = signature.statement(built(tmp_path, data=json.dumps({"a": "1.dir", "b": "2"})))
    assert ("https://in-toto.io/Statement/v1", "https://slsa.dev/provenance/v1") == (
        statement["_type"],
        statement["predicateType"],
    )
    assert [{"name": "manifest.json", "digest": {"sha256": "a" * 64}}] == statement["subject"]
    dependencies = statement["predicate"]["buildDefinition"]["resolvedDependencies"]
    digests = {dependency["name"]: dependency["digest"] for dependency in dependencies}
    assert {"gitCommit": "c" * 40} == digests["commit"]
    assert ({"md5": "1"}, {"md5": "2"}) == (digests["a (DVC)"], digests["b (DVC)"])
    assert ({"md5": "e" * 32}, {"sha256": "1" * 64}) == (digests["model (DVC)"], digests["params"])


def unsigned(right, key, other):
    return []


def by_another_key(right, key, other):
    return [enveloped(right, other)]


def of_another_release(right, key, other):
    return [enveloped(right | {"subject": [{"name": "manifest.json", "digest": {"sha256": OTHER[7:]}}]}, key)]


def of_two_releases(right, key, other):
    subject = [{"name": "manifest.json", "digest": {"sha256": digest[7:]}} for digest in (DIGEST, OTHER)]
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
    unsigned: "v0.1.0: not signed; trusted keys: ",
    by_another_key: "not signed by a trusted key",
    of_another_release: f"signature of a different release \\({OTHER}\\)",
    of_two_releases: "signature of a different release",
    with_another_payload: "changed since \\w{8} signed it",
    with_another_type: "changed since \\w{8} signed it",
    signed_as_another_type: "signature of text/plain, expected",
    about_something_else: "signature of https://in-toto.io/attestation/vulns",
    not_a_statement: "something other than a statement about a release",
    under_the_name_of_a_trusted_key: "changed since \\w{8} signed it",
    without_a_signature: "not signed by a trusted key",
    too_large: "at most 100,000 are allowed",
    empty: "empty signature",
}


@pytest.mark.parametrize(("wrong", "reason"), REFUSED.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_any_other_signature_is_refused(tmp_path, key, wrong, reason):
    files = wrong(signature.statement(built(tmp_path)), key, CryptoSigner.generate_ed25519())
    with pytest.raises(RejectedError, match=reason):
        verified_by(tmp_path, *files)


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
def test_a_malformed_envelope_is_refused_in_one_line(tmp_path, key, text):
    with pytest.raises(RejectedError, match=r"malformed signature|at most"):
        verified_by(tmp_path, text.encode(errors="surrogatepass"))


def test_a_single_valid_signature_is_enough(tmp_path, key):
    bad = signature.sign(built(tmp_path), CryptoSigner.generate_ed25519())[1]
    good = signature.sign(built(tmp_path), key)[1]
    assert verified_by(tmp_path, b"{}", bad + good)


def test_a_removed_key_is_no_longer_trusted(tmp_path, key):
    content = signature.sign(built(tmp_path), key)[1]
    keys.make(tmp_path / "root", tmp_path / "next.pem")
    assert verified_by(tmp_path, content)
    (tmp_path / "root" / keys.TRUSTED / f"{key.public_key.keyid[:8]}.pem").unlink()
    with pytest.raises(RejectedError, match="not signed by a trusted key"):
        verified_by(tmp_path, content)


def test_a_private_key_is_readable_by_its_owner_only_and_never_replaced_or_written_to_the_checkout(tmp_path, key):
    assert 0o600 == stat.S_IMODE((tmp_path / "key.pem").stat().st_mode)
    with pytest.raises(ArgumentError, match=r"key\.pem: exists already"):
        keys.make(tmp_path / "root", tmp_path / "key.pem")
    with pytest.raises(ArgumentError, match="inside the checkout, where it could be committed"):
        keys.make(tmp_path / "root", tmp_path / "root" / "key.pem")


def test_a_private_key_may_be_given_as_text(tmp_path, key, monkeypatch):
    monkeypatch.setenv(keys.SIGNING_KEY, (tmp_path / "key.pem").read_text())
    assert key.public_key.keyid == keys.signer().public_key.keyid


@pytest.mark.parametrize("value", ["-----BEGIN PRIVATE KEY-----\nhunter2\n", "hunter2", "/"])
def test_an_invalid_private_key_is_not_quoted(monkeypatch, value):
    monkeypatch.setenv(keys.SIGNING_KEY, value)
    with pytest.raises(UnreadableFileError) as caught:
        keys.signer()
    assert str(caught.value).startswith("SLIPWAY_SIGNING_KEY: neither an unencrypted private key in PEM nor a file")
    assert "hunter2" not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("nowhere", UnreadableFileError, "not a public key in PEM"),
        ("empty", MissingFileError, r"contains no \*\.pem"),
    ],
)
def test_missing_trusted_keys_are_an_error(tmp_path, monkeypatch, name, error, message):
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv(keys.TRUSTED_KEYS, str(tmp_path / name))
    with pytest.raises(error, match=message):
        keys.trusted(tmp_path)


def test_the_trusted_keys_of_a_machine_replace_the_committed_ones(tmp_path, key, monkeypatch):
    keys.make(tmp_path / "machine", tmp_path / "other.pem")
    monkeypatch.setenv(keys.TRUSTED_KEYS, str(tmp_path / "machine" / keys.TRUSTED))
    with pytest.raises(RejectedError, match="not signed by a trusted key"):
        verified_by(tmp_path, signature.sign(built(tmp_path), key)[1])


def test_a_trusted_key_that_is_a_private_one_is_refused(tmp_path, key):
    (tmp_path / "key.pem").replace(tmp_path / "root" / keys.TRUSTED / "key.pem")
    with pytest.raises(UnreadableFileError, match=r"trusted-keys/key\.pem: not a public key in PEM"):
        keys.trusted(tmp_path / "root")


def test_a_built_release_is_signed_and_published_with_its_signature(project, tmp_path, monkeypatch, capsys):
    keys.make(project.root, tmp_path / "key.pem")
    monkeypatch.setenv(keys.SIGNING_KEY, str(tmp_path / "key.pem"))
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    project.commit()
    folder = project.build("v0.1.0")
    monkeypatch.setattr(build, "build", lambda *_: build.manifest.verify(folder))
    lifecycle.build(folder, None)
    delivery.publish(folder, None)
    digest = project.branch.published("v0.1.0").digest
    files = signature.of_release(project.store, "v0.1.0")
    assert signature.verify("v0.1.0", digest, files, keys.trusted(project.root))
    assert "built=true\n" == (tmp_path / "output").read_text()


def test_a_fetched_release_is_not_signed(project, tmp_path, monkeypatch, capsys):
    project.publish("v0.1.0")
    keys.make(project.root, tmp_path / "key.pem")
    monkeypatch.setenv(keys.SIGNING_KEY, str(tmp_path / "key.pem"))
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    output = tmp_path / "release"
    signature.evidence_folder(output).mkdir()
    (signature.evidence_folder(output) / "signature-of-another.intoto.jsonl").touch()
    lifecycle.build(output, None)
    delivery.publish(output, None)
    assert [] == list(signature.of_release(project.store, "v0.1.0"))
    assert "built=false\n" == (tmp_path / "output").read_text()


def test_no_service_gets_the_signing_key(project, tmp_path, monkeypatch):
    monkeypatch.setenv(keys.SIGNING_KEY, "hunter2")
    project.publish("v0.1.0")
    project.promote("v0.1.0")
    place, content = Place.of("staging"), project.desired_state("staging").read()
    installation.install(place, project.store, content)
    _, environment = installation.command(place, installation.verified(place, content.digest), 1)
    assert "hunter2" not in environment.values()
    assert "hunter2" not in build._environment().values()
    assert "hunter2" in os.environ.values()


class Signed:
    """Staging serves v0.1.0 unsigned; then this machine trusts a key, and v0.2.0 is promoted."""

    def __init__(self, crew, tmp_path, monkeypatch) -> None:
        self.crew, self.project = crew, crew.project
        self.project.publish("v0.1.0")
        self.project.promote("v0.1.0")
        crew.settle()
        keys.make(tmp_path / "machine", tmp_path / "key.pem")
        self.trusted = tmp_path / "machine" / keys.TRUSTED
        monkeypatch.setenv(keys.TRUSTED_KEYS, str(self.trusted))
        self.signer = _signer(tmp_path / "key.pem")
        self.folder = tmp_path / "signatures"
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
        return self.project.desired_state("staging").read()


@pytest.fixture
def signed(crew, tmp_path, monkeypatch):
    return Signed(crew, tmp_path, monkeypatch)


def test_an_agent_refuses_an_unsigned_release_once_and_keeps_serving(signed):
    signed.publish()
    signed.crew.settle()
    crew = signed.crew
    crew.agent.reconcile()
    assert "v0.1.0" == crew.serves
    assert "v0.2.0: not signed; trusted keys: " in crew.agent.state.bad.reason
    assert 1 == len([event for event in crew.events if "v0.2.0 is bad" in event])
    assert not installation.folder(crew.place, signed.content.digest).exists()


def test_an_agent_refuses_a_release_by_another_key_and_serves_one_by_a_trusted_key(signed):
    signed.sign(signed.publish(), CryptoSigner.generate_ed25519())
    signed.crew.settle()
    assert "not signed by a trusted key" in signed.crew.agent.state.bad.reason
    signed.sign(signed.publish("v0.3.0"))
    signed.crew.settle()
    assert "v0.3.0" == signed.crew.serves


def test_an_agent_refuses_an_installed_release_that_a_removed_key_signed(signed):
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
    assert "not signed by a trusted key" in signed.crew.agent.state.bad.reason
    assert "v0.3.0" == signed.crew.serves


def test_a_running_release_heals_without_a_signature_and_a_verified_one_without_the_store(signed, monkeypatch):
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
    for version, script, reason in (
        ("v0.2.0", "", "v0.2.0: has no attestation from GitHub"),
        ("v0.3.0", "sleep 0.3; echo refused >&2; exit 1", "gh attestation verify .*: refused"),
        ("v0.4.0", "echo '[{}]'", None),
    ):
        gh.write_text(f"#!/bin/sh\necho asked >>$0.log\n{script}\n")
        gh.chmod(0o755)
        project.publish(version)
        project.store.add_evidence(version, [bundle] if script else [])
        project.promote(version)
        crew.settle()
        assert ("v0.1.0" if reason else version) == crew.serves
        assert not reason or re.search(reason, crew.agent.state.bad.reason)
    asked = gh.with_name("gh.log").read_text()
    assert ["asked", "asked"] == asked.split(), "a release is not verified while it is being installed"
    (installation.folder(crew.place, project.desired_state("staging").read().digest) / "kind").write_text("other")
    (old,) = crew.agent.state.instances
    crew.agent._reap(old)
    crew.settle()
    assert "v0.4.0" == crew.serves
    project.promote("v0.1.0")
    crew.settle()
    assert "v0.1.0: has no attestation from GitHub" in crew.agent.state.bad.reason
