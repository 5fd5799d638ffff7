// The header: who is looking, the theme, pins.

import { $, el, icon } from './dom.js';
import { snippet } from './bubble.js';

const THEMES = {
  auto: 'M12 3a9 9 0 1 0 0 18zM12 3a9 9 0 0 1 0 18',
  light: 'M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8ZM12 2v2M12 20v2M4.9 4.9l1.4 1.4M17.7 17.7l1.4 1.4M2 12h2M20 12h2M4.9 19.1l1.4-1.4M17.7 6.3l1.4-1.4',
  dark: 'M20 14.5A8 8 0 0 1 9.5 4 8 8 0 1 0 20 14.5Z',
};
const ORDER = ['auto', 'light', 'dark'];

export function initTheme() {
  const show = (theme) => {
    if (theme === 'auto') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    $('theme').replaceChildren(icon(THEMES[theme], 22));
    $('theme').title = `Theme: ${theme}`;
    $('theme').setAttribute('aria-label', `Theme: ${theme}. Change`);
  };
  let theme = ORDER.includes(localStorage.getItem('theme')) ? localStorage.getItem('theme') : 'auto';
  show(theme);
  $('theme').addEventListener('click', () => {
    theme = ORDER[(ORDER.indexOf(theme) + 1) % ORDER.length];
    localStorage.setItem('theme', theme);
    show(theme);
  });
}

function face(user) {
  const letters = user.name.split(' ').map((part) => part[0]).join('').slice(0, 2);
  return el('span', { class: `face ${user.role}`, 'aria-hidden': 'true' }, letters);
}

export class Switcher {
  constructor(choose) {
    this.choose = choose;
    this.button = $('user');
    this.menu = $('users');
    this.button.addEventListener('click', () => this.toggle(this.menu.hidden));
    document.addEventListener('pointerdown', (event) => {
      if (!event.target.closest('.switch')) this.toggle(false);
    });
    document.addEventListener('keydown', (event) => event.key === 'Escape' && this.toggle(false));
    this.menu.addEventListener('keydown', (event) => this.steer(event));
  }

  toggle(open) {
    this.menu.hidden = !open;
    this.button.setAttribute('aria-expanded', String(open));
    if (open) this.menu.querySelector('[aria-checked=true]')?.focus();
  }

  steer(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const items = [...this.menu.querySelectorAll('[role=menuitemradio]')];
    items[(items.indexOf(document.activeElement) + step + items.length) % items.length].focus();
  }

  show(users, current) {
    this.button.replaceChildren(face(current), el('span', { class: 'role' }, current.role));
    this.button.setAttribute('aria-label', `You are ${current.name}, ${current.role}. Switch`);
    this.menu.replaceChildren(el('div', { class: 'menu-title' }, 'Act as'), ...users.map((user) => el('button', {
      type: 'button', role: 'menuitemradio', 'aria-checked': String(user.id === current.id),
      onclick: () => { this.toggle(false); this.choose(user); },
    }, face(user), el('span', { class: 'menu-body' }, el('b', {}, user.name), el('small', {}, `${user.role} · id ${user.id}`)),
    user.id === current.id ? icon('m5 12 5 5 9-10', 20) : null)));
  }
}

export class Pins {
  constructor(find, jump) {
    this.find = find;
    this.ids = [];
    this.index = 0;
    $('pinned').addEventListener('click', () => {
      if (!this.ids.length) return;
      jump(this.ids[this.index]);
      this.index = (this.index + 1) % this.ids.length;
      this.draw();
    });
  }

  set(ids) {
    if (ids.join() !== this.ids.join()) this.index = 0;
    this.ids = ids;
    this.draw();
  }

  draw() {
    $('pinned').hidden = this.ids.length === 0;
    if (!this.ids.length) return;
    const number = this.ids.length - this.index;
    $('pinned-title').textContent = this.index ? `Pinned message #${number}` : 'Pinned message';
    $('pinned-text').textContent = snippet(this.find(this.ids[this.index]));
    const bars = this.ids.slice(0, 4).map((_, place) => el('i', { class: place === this.index % 4 ? 'on' : null }));
    $('pinned-bars').replaceChildren(...bars.reverse());
  }
}
