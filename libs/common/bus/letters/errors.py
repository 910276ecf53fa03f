"""What an operator may be told about a dead letter."""

from libs.common.errors import Conflict, NotFound


class LetterNotFound(NotFound):
    """There is no such letter: it never was, its retention is over, or an erasure took it."""

    code, title = "letter-not-found", "There is no such dead letter"


class LetterSettled(Conflict):
    """The letter was redriven or discarded before."""

    code, title = "letter-settled", "This dead letter is settled already"


class LetterWaits(Conflict):
    """An earlier letter of the same key comes first."""

    code, title = "letter-waits", "An earlier letter of the same key comes first"


class LetterUnderWay(Conflict):
    """The letter is being redriven."""

    code, title = "letter-under-way", "This dead letter is being redriven"
