"""Watchers of a training, for tests of what else happens in it."""


class Nobody:
    """Watches, and does nothing."""

    def at_share(self, share):
        pass

    def heartbeat(self, meter):
        pass

    def counting(self, begins):
        pass
