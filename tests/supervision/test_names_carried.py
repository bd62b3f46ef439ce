"""An actor that goes on here has the names that it had in another process."""

from supervision import GenServer
from supervision.testing import Kit


class Named(GenServer):
    """Has the names that it is told to have."""

    def init(self, args):
        for name in args:
            self.register(name)


def heir(kit, names, *, given, group=None):
    actor = kit.actor(kit.start(Named, ()))
    return actor.address, actor.inherit(names, group, given=given)


def test_names_and_group_are_taken_at_once():
    with Kit() as kit:
        address, others = heir(kit, ["a", "b"], given=False, group="all")
        assert others == []
        assert kit.base.whereis("a") is kit.base.whereis("b") is address
        assert list(kit.kernel.registry.members("all")) == [address]
        kit.stop(address)
        assert kit.base.whereis("a") is None
        assert not list(kit.kernel.registry.members("all"))


def test_a_name_that_is_anothers_stays_so_and_is_told():
    with Kit() as kit:
        owner = kit.start(Named, ("a",))
        address, others = heir(kit, ["a", "b"], given=False)
        assert others == ["a"]
        kit.stop(address)
        assert kit.base.whereis("a") is owner
        assert kit.base.whereis("b") is None


def test_a_name_that_was_given_away_there_is_given_away_here_and_not_taken_back():
    with Kit() as kit:
        loser = kit.start(Named, ("a", "c"))
        address, others = heir(kit, ["a"], given=True)
        assert others == []
        assert kit.base.whereis("a") is address
        kit.stop(loser)
        assert kit.base.whereis("a") is address
        assert kit.base.whereis("c") is None
