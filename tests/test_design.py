"""docs/design.md says what is promised, in the words of the suite that checks it."""

from pathlib import Path

from reactor.testing import conformance, conformance_datagrams

DESIGN = Path(__file__).parent.parent / "docs" / "design.md"


def promises() -> str:
    """Return both lists as the document has them."""
    everything = {**conformance.PROMISES, **conformance_datagrams.PROMISES}
    return "\n".join(f"{number}. {everything[number].sentence}" for number in sorted(everything))


def test_every_promise_stands_in_the_document_by_its_number() -> None:
    section = DESIGN.read_text().partition("## The promises\n")[2].partition("\n## ")[0]
    listed = "\n".join(line for line in section.splitlines() if line[:1].isdigit())
    assert listed == promises(), f"docs/design.md should list:\n{promises()}"
