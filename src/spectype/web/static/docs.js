// The routes of the API, from its own description.
import { get, make } from "./api.js";
const api = await get("/openapi.json");
const body = document.querySelector("#routes tbody");
for (const [path, methods] of Object.entries(api.paths)) for (const [method, route] of Object.entries(methods)) {
  const takes = (route.parameters || []).map((p) => `${p.name}${p.required ? "" : "?"}`).join(", ");
  const sent = route.requestBody ? Object.keys(route.requestBody.content).join(", ") : "";
  body.append(make("tr", {}, make("td", {}, make("code", {}, `${method.toUpperCase()} ${path}`)), make("td", {}, route.description || route.summary || ""), make("td", {}, [takes, sent].filter(Boolean).join("; "))));
}
