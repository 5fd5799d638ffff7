// The chat page: follows one user's chat and acts as that user.

import * as api from './api.js';
import { bubble, snippet } from './bubble.js';
import { Composer } from './composer.js';
import { $, day, el, toast } from './dom.js';
import { initTheme, Pins, Switcher } from './header.js';

const TAIL = 300;
const GROUP_SECONDS = 300;
const NEAR = 120;
const ACTIVITY = { typing: 'typing', upload_photo: 'sending a photo', upload_document: 'sending a file' };

let world = null;
let user = null;
let messages = new Map();
let seq = 0;
let unread = 0;
let replying = null;
let stuck = true;
let following = new AbortController();

const scroll = $('scroll');
const log = $('log');
const find = (id) => messages.get(id);
const composer = new Composer(send);
const switcher = new Switcher((chosen) => { location.hash = chosen.role; });
const pins = new Pins(find, jump);
const actions = { command: send, press, open: enlarge, jump, reply: startReply, find };

// Drawing.

const nearEnd = () => scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < NEAR;
const rowOf = (id) => log.querySelector(`[data-id="${id}"]`);
const mine = (message) => !message.from.is_bot;

function toEnd(smooth) {
  scroll.scrollTo({ top: scroll.scrollHeight, behavior: smooth ? 'smooth' : 'instant' });
}

function draw(message) {
  const row = bubble(message, mine(message), actions);
  const old = rowOf(message.message_id);
  if (old) old.replaceWith(row);
  else place(row, message);
  return row;
}

function place(row, message) {
  const label = day(message.date);
  let section = log.lastElementChild;
  if (section?.dataset.day !== label) {
    const pill = el('div', { class: 'row day' }, el('span', { class: 'pill' }, label));
    section = el('section', { class: 'date', 'data-day': label, 'aria-label': label }, pill);
    log.append(section);
  }
  section.append(row);
}

function group() {
  let previous = null;
  for (const row of log.querySelectorAll('.row')) {
    const message = messages.get(Number(row.dataset.id));
    const joined = Boolean(previous && message && !message.pinned && !previous.message.pinned
      && mine(previous.message) === mine(message) && message.date - previous.message.date < GROUP_SECONDS);
    row.classList.toggle('joined', joined);
    row.classList.remove('followed');
    if (joined) previous.row.classList.add('followed');
    previous = message ? { message, row } : null;
  }
}

function empty() {
  const blank = messages.size === 0;
  $('welcome')?.remove();
  $('app').classList.toggle('blank', blank);
  if (!blank) return;
  log.replaceChildren(el('div', { class: 'welcome', id: 'welcome' },
    el('img', { src: '/icon.svg', alt: '', width: 88, height: 88 }), el('h2', {}, world.bot.name),
    el('p', {}, world.bot.description || 'No messages here yet. Press START to begin.'),
    el('button', { type: 'button', onclick: () => send('/start') }, 'START')));
}

function apply(event, first) {
  const message = event.message;
  if (event.kind === 'delete') {
    messages.delete(message.message_id);
    const row = rowOf(message.message_id);
    const section = row?.parentElement;
    row?.remove();
    if (section && section.children.length === 1) section.remove();
    return 0;
  }
  const known = messages.has(message.message_id);
  if (event.kind === 'edit' && !known) return 0;
  messages.set(message.message_id, message);
  if (messages.size === 1) log.replaceChildren();
  const row = draw(message);
  if (!first && !known) row.classList.add('arrived');
  return !known && !mine(message) ? 1 : 0;
}

function applyAll(events, first) {
  if (!events.length) return;
  const stick = first || stuck || events.some((event) => event.kind === 'message' && mine(event.message));
  const count = events.reduce((sum, event) => sum + apply(event, first), 0);
  group();
  empty();
  stuck = stick;
  if (stick) toEnd(!first);
  else showUnread(unread + count);
}

function showUnread(count) {
  unread = count;
  $('unread').textContent = count > 99 ? '99+' : count;
  $('unread').hidden = count === 0;
  $('down').hidden = nearEnd();
}

function status(text, kind = '') {
  $('status').textContent = text;
  $('status').className = kind;
}

// Following.

async function follow(signal) {
  let first = true;
  let pause = 500;
  while (!signal.aborted) {
    try {
      const parameters = { chat_id: user.chat_id, after: seq, wait: first ? 0 : 25, ...(first ? { tail: TAIL } : {}) };
      const answer = await api.events(parameters, signal);
      if (signal.aborted) return;
      seq = Math.max(seq, answer.last_seq);
      applyAll(answer.events, first);
      pins.set(answer.pinned);
      status(answer.typing ? `${ACTIVITY[answer.typing] || 'working'}` : 'bot', answer.typing ? 'busy' : '');
      if (answer.typing) setTimeout(() => $('status').className === 'busy' && status('bot'), 5500);
      if (first || answer.commands !== undefined) composer.setCommands(answer.commands || []);
      if (first) empty();
      first = first && answer.events.length > 0;
      pause = 500;
    } catch (error) {
      if (signal.aborted) return;
      status('connecting…', 'waiting');
      await new Promise((resolve) => setTimeout(resolve, pause));
      pause = Math.min(pause * 1.6, 3000);
      await revive().catch(() => undefined);
    }
  }
}

async function revive() {
  world = await api.state();
  const chat = world.chats.find((entry) => entry.id === user.chat_id);
  if (!chat || chat.last_seq < seq) location.reload();
}

function enter(chosen) {
  following.abort();
  following = new AbortController();
  user = chosen;
  messages = new Map();
  seq = 0;
  log.replaceChildren();
  pins.set([]);
  composer.close();
  stopReply();
  showUnread(0);
  switcher.show(world.users, user);
  $('title').textContent = world.bot.name;
  document.title = `${world.bot.name} – ${user.name} (sandbox)`;
  follow(following.signal);
}

// Acting.

async function send(text) {
  const body = { user_id: user.id, chat_id: user.chat_id, text, ...(replying ? { reply_to: replying } : {}) };
  stopReply();
  try {
    await api.say(body);
  } catch (error) {
    toast(`Not sent: ${error.message}`, 'bad');
    if (!$('text').value) composer.put(text);
  }
}

async function press(message, button, node) {
  if (node.classList.contains('pending')) return;
  node.classList.add('pending');
  node.setAttribute('aria-busy', 'true');
  try {
    const answer = await api.press({ user_id: user.id, chat_id: user.chat_id, message_id: message.message_id, data: button.data });
    if (answer.timed_out) toast('The bot did not answer', 'bad');
    else if (answer.show_alert) alertUser(answer.text);
    else if (answer.text) toast(answer.text);
  } catch (error) {
    toast(error.message, 'bad');
  } finally {
    node.classList.remove('pending');
    node.removeAttribute('aria-busy');
  }
}

function alertUser(text) {
  $('alert-title').textContent = world.bot.name;
  $('alert-text').textContent = text;
  if (!$('alert').open) $('alert').showModal();
}

function enlarge(url) {
  $('viewer-image').src = url;
  $('viewer').showModal();
}

function jump(id) {
  const row = rowOf(id);
  if (!row) return toast('That message is not here any more');
  row.scrollIntoView({ block: 'center', behavior: 'smooth' });
  row.classList.remove('flash');
  requestAnimationFrame(() => row.classList.add('flash'));
}

function startReply(message) {
  replying = message.message_id;
  $('replying-name').textContent = message.from.name;
  $('replying-text').textContent = snippet(message);
  $('replying').hidden = false;
  $('text').focus();
}

function stopReply() {
  replying = null;
  $('replying').hidden = true;
}

function chosenUser() {
  return world.users.find((entry) => `#${entry.role}` === location.hash) || world.users[0];
}

async function begin() {
  initTheme();
  scroll.addEventListener('scroll', () => { stuck = nearEnd(); showUnread(stuck ? 0 : unread); }, { passive: true });
  const resized = new ResizeObserver(() => { if (stuck) toEnd(false); });
  [scroll, log].forEach((node) => resized.observe(node));
  $('down').addEventListener('click', () => toEnd(true));
  $('viewer').addEventListener('click', () => $('viewer').close());
  $('replying-close').addEventListener('click', stopReply);
  window.addEventListener('hashchange', () => enter(chosenUser()));
  document.addEventListener('keydown', (event) => event.key === 'Escape' && stopReply());
  while (!world) {
    try {
      world = await api.state();
    } catch {
      status('connecting…', 'waiting');
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }
  enter(chosenUser());
  if (matchMedia('(hover: hover)').matches) $('text').focus();
}

begin();
