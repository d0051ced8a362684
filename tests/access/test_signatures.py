"""Which webhooks are believed."""

import pytest

from callboard.access import signatures
from callboard.errors import NotAllowed, Unauthenticated
from callboard.model.repositories import System
from tests.payloads import proofs

UNSIGNED = (System.GITLAB, System.AZURE_DEVOPS, System.GERRIT)
BODY = b'{"ref":"refs/heads/main"}'


@pytest.mark.parametrize("system", System)
def test_who_knows_the_secret_is_believed(system: System) -> None:
    proof = signatures.find(system, proofs(system, BODY, "gehéim"))

    if system is System.GITLAB:
        # As it comes out of a request: bytes, each taken for a character.
        proof = proof.encode().decode("latin-1")
    signatures.check(system, proof, BODY, "gehéim")


@pytest.mark.parametrize("system", System)
@pytest.mark.parametrize("given", ["", "sha256=", "é", "sha256=" + "0" * 64])
def test_who_does_not_is_refused_with_the_name_of_the_setting(system: System, given: str) -> None:
    with pytest.raises(NotAllowed, match=f"not signed with events.modules.{system}.webhookSecret"):
        signatures.check(system, given, BODY, "secret")


@pytest.mark.parametrize("system", [system for system in System if system not in UNSIGNED])
def test_a_signature_is_good_for_one_body(system: System) -> None:
    proof = signatures.find(system, proofs(system, BODY))

    with pytest.raises(NotAllowed):
        signatures.check(system, proof, BODY + b" ", "s3cret")


@pytest.mark.parametrize(
    ("system", "names"),
    [
        (System.GITHUB, "x-hub-signature-256"),
        (System.GITLAB, "x-gitlab-token"),
        (System.BITBUCKET_CLOUD, "x-hub-signature"),
        (System.BITBUCKET_SERVER, "x-hub-signature"),
        (System.AZURE_DEVOPS, "authorization"),
        (System.GITEA, "x-gitea-signature or x-hub-signature-256"),
    ],
)
def test_a_webhook_without_a_proof_is_refused_with_the_header_that_is_missing(system: System, names: str) -> None:
    with pytest.raises(NotAllowed, match=f"has no header {names}$"):
        signatures.find(system, {"x-hub-signature-512": "x"})


def test_gitea_may_sign_as_github_does() -> None:
    headers = {"x-hub-signature-256": proofs("github", BODY)["x-hub-signature-256"]}

    signatures.check(System.GITEA, signatures.find(System.GITEA, headers), BODY, "s3cret")


@pytest.mark.parametrize("system", [System.AZURE_DEVOPS, System.GERRIT])
@pytest.mark.parametrize("proof", ["Bearer s3cret", "Basic s3cret", "Basic czNjcmV0", "Basic", "Basic é"])
def test_azure_devops_and_gerrit_prove_themselves_with_a_password(system: System, proof: str) -> None:
    with pytest.raises(NotAllowed):
        signatures.check(system, proof, BODY, "s3cret")


def test_gerrit_may_have_the_secret_in_its_url() -> None:
    signatures.check(System.GERRIT, signatures.find(System.GERRIT, {}, "gehéim"), BODY, "gehéim")

    with pytest.raises(NotAllowed):
        signatures.check(System.GERRIT, signatures.find(System.GERRIT, {}, "guessed"), BODY, "gehéim")


def test_gerrit_is_asked_for_the_password_of_its_url() -> None:
    with pytest.raises(Unauthenticated) as met:
        signatures.find(System.GERRIT, {})

    assert met.value.challenge.startswith("Basic ")
