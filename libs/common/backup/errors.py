"""What can be wrong with a backup, by name."""

from libs.common.errors import Conflict, NotFound, PixeraError, Unavailable


class BackupNotFound(NotFound):
    """There is no whole backup of that name."""

    code, title = "backup-not-found", "There is no such backup"


class BackupKeyWrong(Conflict):
    """The backup was made with another key than the one given."""

    code, title = "backup-key-wrong", "This backup was made with another key"


class BackupDamaged(Conflict):
    """A file of the backup is not what was written: cut short, changed, or missing. It names the file."""

    code, title = "backup-damaged", "This backup is damaged"


class BackupsOff(Conflict):
    """Nobody said where backups go, or with which keys they are encrypted."""

    code, title = "backups-off", "This platform is not set up for backups"


class SnapshotLost(Unavailable):
    """The database does not remember the backup's moment any more, or its collections changed meanwhile."""

    code, title = "snapshot-lost", "The database no longer has the backup's moment; raise its history window"


class PlatformRuns(Conflict):
    """Services are connected: a restore would pull their databases from under them."""

    code, title = "platform-runs", "Services are running: stop them before a restore"


class LogLost(Conflict):
    """The event log does not reach from the backup's moment to now, so nobody can say who was erased since."""

    code, title = "log-lost", "The event log does not reach back to the backup"


class ProofDiverged(Conflict):
    """The proof that is there is no continuation of the backup's: another platform's, or a fork."""

    code, title = "proof-diverged", "The proof in the database is not the backup's own"


class AnotherRestore(Conflict):
    """A restore of another backup was begun and not finished; that one has to be finished first."""

    code, title = "another-restore", "Another restore was begun and not finished"


class StillThere(PixeraError):
    """Something of an erased person is left after the restore; services stay locked out."""

    code, title = "still-there", "The restored data still holds an erased person"


class RestoreUnderWay(Unavailable):
    """The databases are being restored, or a restore stopped half way: nothing may be served."""

    code, title = "restore-under-way", "The platform is being restored"
