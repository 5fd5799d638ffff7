// One message of the chat as an element.

import { clock, copy, el, icon, size } from './dom.js';
import { rich } from './rich.js';

const OUTWARD = 'M8 16 16 8M9 8h7v7';
const COPY = 'M9 9h10v11H9zM5 15V4h10';
const FILE = 'M13 3H7a2 2 0 0 0-2 2v14a2 2 0 0 0 2 2h10a2 2 0 0 0 2-2V9zM13 3v6h6';

// `actions` has: command(text), press(message, button, element), open(url), jump(id), reply(message), find(id).
export function bubble(message, mine, actions) {
  if (message.pinned) return service(message, actions);
  const body = el('div', { class: 'bubble' });
  if (message.forwarded) body.append(el('div', { class: 'forwarded' }, 'Forwarded message'));
  if (message.reply_to) body.append(reply(message, actions));
  if (message.photo_url) body.append(photo(message, actions));
  if (message.document_url) body.append(file(message));
  if (message.html) body.append(el('div', { class: 'text' }, rich(message.html, actions.command)));
  if (message.reactions?.length) body.append(el('div', { class: 'reactions' }, ...message.reactions.map((emoji) => el('span', {}, emoji))));
  body.append(meta(message, mine));
  const stack = el('div', { class: 'stack' }, body);
  if (message.buttons.length) stack.append(keyboard(message, actions));
  const row = el('article', {
    class: `row ${mine ? 'mine' : 'theirs'}${message.photo_url ? ' media' : ''}${message.html ? '' : ' bare'}`,
    'data-id': message.message_id,
    'aria-label': `${message.from.name}, ${clock(message.date)}`,
    ondblclick: () => actions.reply(message),
  }, stack);
  return row;
}

export function snippet(message) {
  if (!message) return 'Deleted message';
  const text = (message.text || message.caption || '').replace(/\s+/g, ' ').trim();
  return text || (message.photo_url ? 'Photo' : message.document_name || 'Message');
}

function service(message, actions) {
  const text = `${message.from.name} pinned “${snippet(actions.find(message.pinned))}”`;
  const line = el('button', { type: 'button', class: 'pill', onclick: () => actions.jump(message.pinned) }, text);
  return el('div', { class: 'row service', 'data-id': message.message_id }, line);
}

function reply(message, actions) {
  const target = actions.find(message.reply_to);
  return el('button', { type: 'button', class: 'quote', onclick: () => actions.jump(message.reply_to) },
    el('b', {}, target ? target.from.name : 'Message'), el('span', {}, snippet(target)));
}

function photo(message, actions) {
  const image = el('img', {
    src: message.photo_url, width: message.photo_width, height: message.photo_height, loading: 'lazy',
    alt: message.caption ? `Photo: ${snippet(message)}` : 'Photo',
  });
  return el('button', { type: 'button', class: 'photo', 'aria-label': 'Enlarge the photo', onclick: () => actions.open(message.photo_url) }, image);
}

function file(message) {
  return el('a', { class: 'file', href: message.document_url, download: message.document_name },
    el('span', { class: 'file-icon' }, icon(FILE, 24)),
    el('span', { class: 'file-body' }, el('b', {}, message.document_name), el('small', {}, size(message.document_size))));
}

function meta(message, mine) {
  const ticks = mine ? el('span', { class: 'ticks', 'aria-label': 'sent' }, icon('m1.5 13 5 5L17 7M11 17l1 1L22.5 7', 17)) : null;
  return el('span', { class: 'meta' }, message.edit_date ? el('i', {}, 'edited') : null,
    el('time', { datetime: new Date(message.date * 1000).toISOString() }, clock(message.date)), ticks);
}

function keyboard(message, actions) {
  const rows = message.buttons.map((row) => el('div', { class: 'keys' }, ...row.map((button) => key(message, button, actions))));
  return el('div', { class: 'keyboard' }, ...rows);
}

function key(message, button, actions) {
  if (button.url) {
    return el('a', { class: 'key', href: button.url, target: '_blank', rel: 'noopener noreferrer' },
      el('span', {}, button.text), icon(OUTWARD, 13));
  }
  if (button.copy) {
    return el('button', { type: 'button', class: 'key', onclick: () => copy(button.copy) }, el('span', {}, button.text), icon(COPY, 13));
  }
  const node = el('button', { type: 'button', class: 'key', onclick: () => actions.press(message, button, node) }, el('span', {}, button.text));
  return node;
}
