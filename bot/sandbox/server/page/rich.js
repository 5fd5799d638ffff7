// Formatted text: the server's HTML is parsed apart from the page, and only known elements are rebuilt.

import { copy, el, icon } from './dom.js';

const TAGS = new Set(['B', 'I', 'U', 'S', 'CODE', 'PRE', 'BLOCKQUOTE', 'SPAN', 'A']);

export function rich(html, onCommand) {
  const parsed = new DOMParser().parseFromString(`<body>${html}</body>`, 'text/html');
  const fragment = document.createDocumentFragment();
  fragment.append(...children(parsed.body, onCommand));
  return fragment;
}

function children(node, onCommand) {
  return [...node.childNodes].flatMap((child) => {
    if (child.nodeType === Node.TEXT_NODE) return [document.createTextNode(afterBlock(child) ? child.data.replace(/^\n/, '') : child.data)];
    if (child.nodeType !== Node.ELEMENT_NODE) return [];
    const inner = children(child, onCommand);
    return TAGS.has(child.tagName) ? [element(child, inner, onCommand)] : inner;
  });
}

// A block ends its line by itself; the line break after it would show as an empty line.
function afterBlock(node) {
  return ['PRE', 'BLOCKQUOTE'].includes(node.previousSibling?.nodeName);
}

function element(source, inner, onCommand) {
  if (source.tagName === 'A') return link(source, inner);
  if (source.tagName === 'PRE') return pre(source, inner);
  if (source.tagName === 'CODE') return code(inner);
  if (source.tagName === 'BLOCKQUOTE') return quote(source, inner);
  if (source.tagName === 'SPAN') return span(source, inner, onCommand);
  return el(source.tagName.toLowerCase(), {}, ...inner);
}

function link(source, inner) {
  const target = source.getAttribute('href') || '';
  if (!/^https?:\/\//i.test(target)) return el('span', {}, ...inner);
  return el('a', { href: target, target: '_blank', rel: 'noopener noreferrer' }, ...inner);
}

function pre(source, inner) {
  const language = source.getAttribute('data-language') || '';
  const body = el('pre', { tabindex: '0' }, ...inner);
  const take = { type: 'button', class: 'copy', 'aria-label': 'Copy code', title: 'Copy', onclick: () => copy(body.textContent) };
  if (!language) return el('div', { class: 'code-block' }, el('button', take, icon('M9 9h10v11H9zM5 15V4h10', 16)), body);
  return el('div', { class: 'code-block' }, el('div', { class: 'code-head' }, el('span', {}, language), el('button', take, 'Copy')), body);
}

function code(inner) {
  const node = el('code', { title: 'Copy', onclick: () => copy(node.textContent) }, ...inner);
  return node;
}

function quote(source, inner) {
  const expandable = source.classList.contains('expandable');
  const node = el('blockquote', { class: expandable ? 'expandable shut' : null }, ...inner);
  if (expandable) {
    const toggle = () => node.classList.toggle('shut');
    node.tabIndex = 0;
    node.addEventListener('click', toggle);
    node.addEventListener('keydown', (event) => event.key === 'Enter' && toggle());
  }
  return node;
}

function span(source, inner, onCommand) {
  if (source.classList.contains('tg-spoiler')) return spoiler(inner);
  if (source.classList.contains('tg-command')) {
    const command = source.textContent;
    return el('a', { class: 'command', href: '#', role: 'button', onclick: (event) => { event.preventDefault(); onCommand(command); } }, ...inner);
  }
  return el('span', { class: source.classList.contains('tg-mention') ? 'mention' : null }, ...inner);
}

function spoiler(inner) {
  const node = el('span', { class: 'spoiler', role: 'button', tabindex: '0', 'aria-label': 'Hidden text, press to show' }, ...inner);
  const show = () => { node.classList.add('shown'); node.removeAttribute('aria-label'); };
  node.addEventListener('click', show);
  node.addEventListener('keydown', (event) => event.key === 'Enter' && show());
  return node;
}
