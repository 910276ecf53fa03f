"""Outside parties are declared with a safeguard that fits, and get only what we store."""

from dataclasses import replace

import pytest

from libs.common.privacy.data_map import data_map
from libs.common.privacy.holdings import ProcessorHolding, UndeclaredHolding
from libs.common.privacy.processors import MAIL_SERVER, OBJECT_STORAGE, Safeguard, TransferUnprotected
from tests.common.privacy.studio import HOLDINGS

ABROAD = replace(MAIL_SERVER, name="mail-abroad", country="US", safeguard=Safeguard.CLAUSES)


def test_a_transfer_names_what_protects_it() -> None:
    with pytest.raises(TransferUnprotected, match="US is not in the European Economic Area"):
        replace(MAIL_SERVER, country="US")
    with pytest.raises(TransferUnprotected, match="DE is in the European Economic Area"):
        replace(MAIL_SERVER, safeguard=Safeguard.ADEQUACY)
    assert ABROAD.is_transfer


def test_nobody_is_said_to_receive_what_is_not_stored() -> None:
    holdings = replace(HOLDINGS, processors=(ProcessorHolding(MAIL_SERVER, ("accounts.shoe_size", "files")),))
    with pytest.raises(UndeclaredHolding, match=r"mail-server is said to receive `accounts\.shoe_size`"):
        holdings.check()


def test_the_map_says_who_gets_what_and_where() -> None:
    parties = (
        ProcessorHolding(ABROAD, ("accounts.email",)),
        ProcessorHolding(OBJECT_STORAGE, ("files",)),
    )
    record = data_map([replace(HOLDINGS, processors=parties)])
    recipients = {
        f"{holding['holding']}.{field['field']}": field["recipients"]
        for holding in record["holdings"]
        for field in holding["fields"]
    }
    assert recipients["gallery.accounts.email"] == ["hosting", "mail-abroad"]
    assert recipients["gallery.accounts.password_hash"] == ["hosting"]
    assert recipients["gallery.files.(the object)"] == ["hosting", "object-storage"]
    abroad = next(each for each in record["processors"] if each["processor"] == "mail-abroad")
    assert (abroad["transfer"], abroad["country"]) == (True, "US")
    assert abroad["receives"] == ["gallery.accounts.email"]
