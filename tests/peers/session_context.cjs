// Does every operation of the SOAP twin with Node's `soap`, and prints what came of it as JSON.
// Usage: node session_context.cjs URL-OF-THE-WSDL TOKEN CALL
"use strict";

const soap = require("soap");

async function main(wsdl, token, call) {
  const access = { Authorization: `Bearer ${token}` };
  const client = await soap.createClientAsync(wsdl, { handleNilAsNull: true, wsdl_headers: access });
  client.addHttpHeader("Authorization", access.Authorization);
  const ask = async (name, request) => (await client[`${name}Async`](request))[0].result;
  const said = {};
  said.described = Object.keys(client.describe().SessionContextService.SessionContext);
  said.opened = await ask("OpenSession", {
    call,
    ani: "+33612345678",
    ud: { entry: [{ key: "offer", value: "gold" }, { key: "n", value: "5", type: "integer" }] },
  });
  const session = said.opened.session.session;
  said.found = await ask("FindSessions", { call, open: "1" });
  said.read = await ask("GetSession", { session });
  said.sent = await ask("GetSendList", { session, app: "asking" });
  const change = {
    session,
    rev: said.read.session.rev,
    set: { entry: [{ key: "auth_level", value: "2", type: "integer" }] },
    del: { item: ["ud.n"] },
  };
  said.changed = await ask("PatchSession", change);
  said.stale = await ask("PatchSession", change).catch((error) => ({
    status: error.response.status,
    fault: error.root.Envelope.Body.Fault,
  }));
  const step = { session, ev: "in", step: "menu", data: { entry: [] }, idempotency_key: "k-1" };
  said.added = await ask("AddJourneyStep", step);
  said.again = await ask("AddJourneyStep", step);
  said.journey = await ask("GetJourney", { session, across: "1" });
  said.routed = await ask("RouteSession", { session, rp: "sales" });
  said.closed = await ask("CloseSession", { session, reason: "hung up" });
  process.stdout.write(JSON.stringify(said));
}

main(...process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
