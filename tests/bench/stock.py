"""The bare thing to compare with: a stock nameko gateway, stock RPC, and one row inserted or read. Nothing else.

    python -m tests.bench.stock service|gateway

The same libraries, broker and database server; nameko's own defaults; psycopg told not to block the hub, as it must be.
"""

from __future__ import annotations

# ruff: noqa: E402 - nothing may be imported before the process runs on green threads
import os
import sys

os.environ["PSYCOPG_WAIT_FUNC"] = "wait_select"

import eventlet

eventlet.monkey_patch()

import json
import uuid

from nameko.containers import ServiceContainer
from nameko.rpc import RpcProxy, rpc
from nameko.web.handlers import http
from sqlalchemy import create_engine, make_url, text

engine = create_engine(
    make_url(os.environ["STOCK_DATABASE_URL"]).set(drivername="postgresql+psycopg"), pool_size=10, max_overflow=0
)


class StockService:
    name = "stock"

    @rpc
    def insert(self, purpose: str) -> str:
        row_id = str(uuid.uuid4())
        with engine.begin() as connection:
            connection.execute(
                text("INSERT INTO stock (id, purpose) VALUES (:id, :purpose)"), {"id": row_id, "purpose": purpose}
            )
        return row_id

    @rpc
    def read(self, row_id: str) -> dict[str, str]:
        with engine.connect() as connection:
            row = connection.execute(text("SELECT id, purpose FROM stock WHERE id = :id"), {"id": row_id}).one()
        return {"id": str(row.id), "purpose": row.purpose}


class StockGateway:
    name = "stock_gateway"
    stock = RpcProxy("stock")

    @http("POST", "/rows")
    def insert(self, request):  # type: ignore[no-untyped-def]
        return 201, json.dumps({"id": self.stock.insert(json.loads(request.get_data())["purpose"])})

    @http("GET", "/rows/<string:row_id>")
    def read(self, request, row_id):  # type: ignore[no-untyped-def]
        return 200, json.dumps(self.stock.read(row_id))


def main(which: str) -> None:
    config = {"AMQP_URI": os.environ["STOCK_AMQP_URL"], "max_workers": 20}
    if which == "gateway":
        config["WEB_SERVER_ADDRESS"] = f"127.0.0.1:{os.environ['STOCK_PORT']}"
    container = ServiceContainer(StockGateway if which == "gateway" else StockService, config)
    container.start()
    container.wait()


if __name__ == "__main__":
    main(sys.argv[1])
