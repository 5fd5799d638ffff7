// Talking to the sandbox's JSON API.

export class ApiError extends Error {
  constructor(status, reason) {
    super(reason);
    this.status = status;
  }
}

async function read(response) {
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new ApiError(response.status, body.error || `error ${response.status}`);
  return body;
}

export async function get(path, parameters = {}, signal = undefined) {
  return read(await fetch(`${path}?${new URLSearchParams(parameters)}`, { signal, cache: 'no-store' }));
}

export async function post(path, body) {
  const headers = { 'Content-Type': 'application/json' };
  return read(await fetch(path, { method: 'POST', headers, body: JSON.stringify(body) }));
}

export const state = () => get('/sandbox/state');
export const events = (parameters, signal) => get('/sandbox/events', parameters, signal);
export const say = (body) => post('/sandbox/messages', body);
export const press = (body) => post('/sandbox/presses', body);
