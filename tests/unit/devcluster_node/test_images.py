"""What an image's name means."""

from __future__ import annotations

from pathlib import Path

import pytest

from devcluster.kubelet.images import SPARE, GitImage, ImageError, ImageStore, parse

SHA = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (f"git+/srv/shop.git@{SHA}#services/a", GitImage("/srv/shop.git", SHA, "services/a")),
        (f"git+https://x/y.git@{SHA}", GitImage("https://x/y.git", SHA, "")),
        (f"git+git@host:y.git@{SHA}#.", GitImage("git@host:y.git", SHA, "")),
        ("host", None),
    ],
)
def test_both_forms_are_understood(image: str, expected: GitImage | None) -> None:
    assert parse(image) == expected


@pytest.mark.parametrize(
    ("image", "why"),
    [
        ("nginx:1", "there is no registry"),
        (f"git+/srv/shop.git@{SHA}#../../etc", "leaves the repository"),
        (f"git+/srv/shop.git@{SHA}#/etc", "leaves the repository"),
        ("git+/srv/shop.git@main", "not a full commit id"),
        ("git+/srv/shop.git", "no repository"),
        (f"git+--upload-pack=x@{SHA}", "no repository"),
    ],
)
def test_anything_else_is_refused_with_the_forms_there_are(image: str, why: str) -> None:
    with pytest.raises(ImageError, match=why) as refused:
        parse(image)
    assert refused.value.reason == "InvalidImageName"
    assert "git+PATH_OR_URL@SHA#SUBDIR or host" in str(refused.value)


def test_only_old_and_unused_checkouts_are_spare(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    images = [f"git+/r@{n:040x}" for n in range(SPARE + 5)]
    for image in images:
        parsed = parse(image)
        assert parsed is not None
        store._checkout(parsed).mkdir(parents=True)
    assert len(store.spare([])) == 5
    assert len(store.spare([*images[:3], "nginx", "host"])) == 2
    assert store.spare(images) == []
