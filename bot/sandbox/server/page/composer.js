// The text field: sending, recalling, commands.

import { $, el } from './dom.js';

export class Composer {
  constructor(send) {
    this.send = send;
    this.commands = [];
    this.history = [];
    this.recalled = 0;
    this.chosen = 0;
    this.shown = [];
    this.text = $('text');
    this.box = $('commands');
    this.text.addEventListener('input', () => { this.grow(); this.suggest(); });
    this.text.addEventListener('keydown', (event) => this.key(event));
    $('composer').addEventListener('submit', (event) => { event.preventDefault(); this.submit(); });
    $('menu').addEventListener('click', () => (this.box.hidden ? this.open(this.commands) : this.close()));
    document.addEventListener('pointerdown', (event) => {
      if (!event.target.closest('.bottom')) this.close();
    });
  }

  setCommands(commands) {
    this.commands = commands;
    $('menu').hidden = commands.length === 0;
  }

  submit(text = this.text.value) {
    const trimmed = text.trim();
    if (!trimmed) return;
    this.history.push(trimmed);
    this.recalled = this.history.length;
    if (text === this.text.value) this.put('');
    this.close();
    this.send(trimmed);
  }

  put(text) {
    this.text.value = text;
    this.grow();
    this.text.setSelectionRange(text.length, text.length);
  }

  grow() {
    this.text.style.height = 'auto';
    this.text.style.height = `${Math.min(this.text.scrollHeight, 160)}px`;
    $('send').disabled = !this.text.value.trim();
    $('composer').classList.toggle('typed', Boolean(this.text.value));
  }

  key(event) {
    if (event.isComposing) return;
    if (!this.box.hidden && this.steer(event)) return;
    if (event.key === 'Enter' && !event.shiftKey) {
      event.preventDefault();
      this.submit();
    } else if (event.key === 'Escape') {
      this.close();
    } else if (event.key === 'ArrowUp' && this.at(0)) {
      this.recall(event, -1);
    } else if (event.key === 'ArrowDown' && this.recalled < this.history.length) {
      this.recall(event, 1);
    }
  }

  at(position) {
    const unchanged = this.text.value === '' || this.text.value === this.history[this.recalled];
    return unchanged && this.text.selectionStart >= position;
  }

  recall(event, step) {
    const next = this.recalled + step;
    if (next < 0 || next > this.history.length) return;
    event.preventDefault();
    this.recalled = next;
    this.put(this.history[next] || '');
  }

  // Commands.

  suggest() {
    const match = /^\/(\w*)$/.exec(this.text.value);
    if (match) this.open(this.commands.filter((item) => item.command.startsWith(match[1].toLowerCase())));
    else this.close();
  }

  open(commands) {
    if (!commands.length) return this.close();
    this.shown = commands;
    this.chosen = 0;
    this.box.replaceChildren(...commands.map((item, index) => this.option(item, index)));
    this.box.hidden = false;
    this.box.scrollTop = 0;
    $('menu').setAttribute('aria-expanded', 'true');
    this.mark(0);
  }

  close() {
    this.box.hidden = true;
    $('menu').setAttribute('aria-expanded', 'false');
    this.text.removeAttribute('aria-activedescendant');
  }

  option(item, index) {
    return el('div', { class: 'option', role: 'option', id: `command-${index}`, onclick: () => this.pick(index) },
      el('b', {}, `/${item.command}`), el('span', {}, item.description));
  }

  steer(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) this.mark((this.chosen + step + this.shown.length) % this.shown.length);
    else if (event.key === 'Tab') this.put(`/${this.shown[this.chosen].command} `);
    else if (event.key === 'Enter' && !event.shiftKey) this.pick(this.chosen);
    else return false;
    if (event.key === 'Tab') this.close();
    event.preventDefault();
    return true;
  }

  mark(index) {
    this.chosen = index;
    [...this.box.children].forEach((option, position) => {
      option.setAttribute('aria-selected', position === index);
    });
    this.box.children[index].scrollIntoView({ block: 'nearest' });
    this.text.setAttribute('aria-activedescendant', `command-${index}`);
  }

  pick(index) {
    this.put('');
    this.submit(`/${this.shown[index].command}`);
  }
}
