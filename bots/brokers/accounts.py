"""The accounts at exchanges that the settings name, each asked through one connection."""

from bots.brokers.ccxt import CcxtBroker
from bots.brokers.ccxt_connection import CcxtConnection
from common.clock import Clock
from common.errors import BotConfigError
from common.settings import Settings
from registry.instruments import Instrument


class ExchangeAccounts:
    """Brokers of the accounts in ``HUB_EXCHANGE_ACCOUNTS``. A bot names an account; who has no such account does not
    learn whether somebody else has."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self._connections: dict[str, CcxtConnection] = {}

    def broker(self, user: str, name: str, instrument: Instrument) -> CcxtBroker:
        """A broker for one bot of a user.

        Raises :class:`common.errors.BotConfigError` if the user has no account of that name, or it is at another
        exchange; and what :class:`bots.brokers.ccxt.CcxtBroker` raises.
        """
        account = self._settings.exchange_accounts.get(name)
        if account is None or account.user != user:
            raise BotConfigError(f"there is no account {name!r} of yours; accounts are in HUB_EXCHANGE_ACCOUNTS")
        if account.exchange.upper() != instrument.exchange:
            raise BotConfigError(f"account {name} is at {account.exchange.upper()}, and {instrument} is not")
        if name not in self._connections:
            url = self._settings.exchange_urls.get(account.exchange.lower())
            self._connections[name] = CcxtConnection(name, account, self._clock, url=url)
        return CcxtBroker(self._connections[name], instrument, self._clock)
