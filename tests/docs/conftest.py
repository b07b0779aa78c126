"""What the tests of the pages and of the examples share."""

from __future__ import annotations

import pytest
import torch

from tests.docs.supplies import Supplies


@pytest.fixture(scope="session")
def supplies(tmp_path_factory: pytest.TempPathFactory) -> Supplies:
    """Give what the pages' commands start from; each file is made once."""
    torch.manual_seed(0)
    return Supplies(tmp_path_factory.mktemp("supplies"))
