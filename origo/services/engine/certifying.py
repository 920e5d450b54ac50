"""The certificate that the front shows: one that was given, one that is ordered, or the engine's own."""

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from origo import host
from origo.errors import BadInput, Conflict
from origo.model import EngineRow, Stack
from origo.operations.base import Context, Lock, Mode, Operation, Step
from origo.operations.core import Core
from origo.secrets import certificates
from origo.services import front
from origo.services.engine import proving

if TYPE_CHECKING:
    from origo.client.ordering import Directory

BYTES = "latin-1"
"""Every file is a text of it, also a damaged one."""
MOST_NAMES = 100
"""What an ACME server takes in one certificate."""


def names(core: Core, *, wildcard: bool) -> list[str]:
    """What a certificate of this engine is for: its own name and those of all pages, or of the pages there are."""
    host_name = core.config.host_name
    if wildcard:
        return [host_name, f"*.{host_name}"]
    labels = Stack.select(Stack.label).where(Stack.state != "trashed").order_by(Stack.created)
    return [host_name, *(f"{row.label}.{host_name}" for row in labels.limit(MOST_NAMES - 1))]


def _before(ctx: Context) -> dict[str, Any]:
    """What was given before, sealed, since the private key is in it; no plan has it."""
    path = str(ctx.core.secrets.given_path)
    there = bool(ctx.id) and ctx.core.local.exists(path)
    return {"before": ctx.core.secrets.seal(ctx.core.local.read(path).decode(BYTES)) if there else None}


class Show(Step):
    """The front shows the certificate that was chosen; connections go on."""

    name = "show the certificate"

    def plan(self, ctx: Context) -> list[str]:
        path, reload = ctx.core.secrets.given_path, "nginx reads its configuration again; connections stay"
        if "names" in ctx.data:
            return [f"file {path}", reload]
        if "certificate" not in ctx.args:
            return [f"remove {path}", reload]
        said = certificates.facts(ctx.core.secrets.unseal(ctx.args["certificate"]).encode())
        until = time.strftime("%Y-%m-%d", time.gmtime(said.until))
        return [f"file {path}: {', '.join(said.names)}, by {said.issuer}, until {until}", reload]

    def do(self, ctx: Context) -> None:
        self._put(ctx, ctx.data.get("certificate") or ctx.args.get("certificate"))

    def undo(self, ctx: Context) -> None:
        self._put(ctx, ctx.data["before"])

    def _put(self, ctx: Context, sealed: str | None) -> None:
        path = str(ctx.core.secrets.given_path)
        if sealed is None:
            ctx.core.local.remove(path)
        else:
            ctx.core.local.write(path, ctx.core.secrets.unseal(sealed).encode(BYTES), mode=0o600)
        front.show_certificate(ctx.core)


class Register(Step):
    """The ACME server knows this engine by a key of its own."""

    name = "register with the ACME server"

    def plan(self, ctx: Context) -> list[str]:
        return [f"{ctx.args['directory']}, as {ctx.args['email'] or 'nobody in particular'}"]

    def do(self, ctx: Context) -> None:
        _directory(ctx)

    def undo(self, ctx: Context) -> None:
        if not ctx.data["account"]:
            ctx.core.secrets.forget_account()


class Obtain(Step):
    """The names are proven and the certificate is there, sealed; what proved them is taken away again."""

    name = "order the certificate"

    def plan(self, ctx: Context) -> list[str]:
        return [f"{name}, proven {_BY[ctx.args['way']['by']]}" for name in ctx.data["names"]]

    def do(self, ctx: Context) -> None:
        self._hide(ctx)
        if "certificate" in ctx.data:
            return
        key = certificates.new_key()
        order = _directory(ctx).order(certificates.request(key, ctx.data["names"]))
        challenges = order.challenges(proving.kind(ctx.args["way"]))
        ctx.keep(shown=[asdict(one) for one in challenges])
        for number, challenge in enumerate(challenges):
            host.report(number / len(challenges) / 2, challenge.name)
            proving.show(ctx.core, ctx.args["way"], challenge)
        order.prove()
        pem = certificates.checked(order.certificate(), key, ctx.data["names"])
        ctx.keep(certificate=ctx.core.secrets.seal(pem.decode()))
        self._hide(ctx)

    def undo(self, ctx: Context) -> None:
        self._hide(ctx)

    def _hide(self, ctx: Context) -> None:
        if ctx.data.get("shown"):
            from origo.client.ordering import Challenge

            for challenge in ctx.data["shown"]:
                try:
                    proving.hide(ctx.core, ctx.args["way"], Challenge(**challenge))
                except (Conflict, BadInput) as error:  # a record too many harms nobody, a stuck renewal would
                    ctx.log(f"{challenge['place']} may still be there: {error.message}")
            ctx.keep(shown=[])


def _directory(ctx: Context) -> "Directory":
    """The ACME server, knowing us."""
    from origo.client import ordering  # its libraries are only for those who order

    args, trust = ctx.args, ordering.TRUST
    if args["authority"]:
        trust = ctx.core.config.path("run", "acme-authority.pem")
        ctx.core.local.write(trust, args["authority"].encode())
    directory = ordering.Directory(args["directory"], ctx.core.secrets.account(), trust)
    external = args["external"] and (args["external"]["id"], ctx.core.secrets.unseal(args["external"]["key"]))
    directory.register(args["email"], agreed=args["agreed"], external=external)
    return directory


_BY = {"dns": "by an update of DNS", "hook": "by DNS, with the program", "http": "over http"}


class _Showing(Operation):
    """The front shows another certificate than before; none is ordered any more."""

    targets = "engine"

    def earlier(self, ctx: Context) -> dict[str, Any]:
        return _before(ctx)

    def target(self, ctx: Context) -> str:
        return str(EngineRow.get().id)

    def locks(self, ctx: Context) -> list[Lock]:
        return [Lock("certificate"), Lock("engine", Mode.SHARED)]

    def steps(self, ctx: Context) -> list[Step]:
        return [Show()]

    def finish(self, ctx: Context) -> None:
        EngineRow.update(acme=None).execute()


class SetCertificate(_Showing):
    """The front shows a certificate that was given (`certificate`: chain and key, sealed)."""

    kind = "engine.set-certificate"

    def check(self, ctx: Context) -> None:
        pem = ctx.core.secrets.unseal(ctx.args["certificate"]).encode()
        certificates.checked(pem, pem, names(ctx.core, wildcard=True))


class OrderCertificate(_Showing):
    """An ACME server is asked for a certificate, and will be again before it ends."""

    kind = "engine.order-certificate"

    def look(self, ctx: Context) -> None:
        proving.check(ctx.core, ctx.args["way"])

    def prepare(self, ctx: Context) -> None:
        if ctx.core.config["domain"].rpartition(".")[2] == "localhost":
            raise BadInput(
                f"cannot order a certificate for {ctx.core.config.host_name}: nobody but this machine knows that name",
                hint="give the engine a domain of your own, at set-up or by the setting `domain`",
            )
        ctx.data["names"] = names(ctx.core, wildcard=ctx.args["way"]["by"] != "http")

    def earlier(self, ctx: Context) -> dict[str, Any]:
        return {**super().earlier(ctx), "account": ctx.core.secrets.has_account()}

    def steps(self, ctx: Context) -> list[Step]:
        return [Register(), Obtain(), Show()]

    def finish(self, ctx: Context) -> None:
        EngineRow.update(acme=ctx.args).execute()


class RemoveCertificate(_Showing):
    """The front shows a certificate of the engine's own authority again, and none is ordered any more."""

    kind = "engine.remove-certificate"


KINDS: tuple[type[Operation], ...] = (SetCertificate, OrderCertificate, RemoveCertificate)
