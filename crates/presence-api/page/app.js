// The page of `presence-api dev`: some people side by side, each with connections of their own to the real hub.
import { HttpTransportType, HubConnectionBuilder, HubConnectionState, LogLevel } from '@microsoft/signalr';

const SHOWN = 4;
const EVENTS_KEPT = 200;
const TRY_AGAIN_AFTER_MS = 1000;
/** A close code that is no clean end: the service takes the link for lost. */
const LOST = 4001;

/** One connection of a person: a tab of their browser. */
class Tab {
  #sockets = new Set();

  constructor(person) {
    this.person = person;
    const sockets = this.#sockets;
    class Socket extends WebSocket {
      constructor(...args) {
        super(...args);
        sockets.add(this);
        this.addEventListener('close', () => sockets.delete(this));
      }
    }
    this.connection = new HubConnectionBuilder()
      .withUrl('/_hubs/presence', {
        transport: HttpTransportType.WebSockets,
        accessTokenFactory: () => person.token(),
        WebSocket: Socket,
      })
      .withAutomaticReconnect({ nextRetryDelayInMilliseconds: () => TRY_AGAIN_AFTER_MS })
      .configureLogging(LogLevel.None)
      .build();
    this.connection.on('PresenceStatusChanged', (userId, status) => person.hears(this, userId, status));
    this.connection.onreconnecting(() => person.show());
    this.connection.onreconnected(() => this.watch());
    this.connection.onclose(() => person.show());
  }

  async open() {
    await this.connection.start();
    await this.watch();
  }

  /** Subscribes first and asks then, so that no change is missed in between. */
  async watch() {
    await Promise.all(this.person.others().map(async (other) => {
      await this.connection.invoke('SubscribeToUserStatus', other.id);
      this.person.sees(other.id, await this.connection.invoke('GetUserStatus', other.id));
    }));
    this.person.show();
  }

  /** Drops the line without saying goodbye. */
  cut() {
    for (const socket of this.#sockets) socket.close(LOST);
  }

  close() {
    return this.connection.stop();
  }
}

class Person {
  tabs = [];
  hasNetwork = true;
  #token;

  constructor(user, template) {
    Object.assign(this, user);
    this.card = template.content.firstElementChild.cloneNode(true);
    this.card.dataset.user = this.id;
    this.card.style.setProperty('--hue', [...this.id].reduce((hue, c) => (hue * 31 + c.charCodeAt(0)) % 360, 7));
    this.find('.name').textContent = this.name;
    this.find('.avatar').textContent = this.name.slice(0, 1);
    for (const button of this.card.querySelectorAll('[data-action]')) {
      button.setAttribute('aria-label', `${this.name}: ${button.textContent}`);
      button.addEventListener('click', () => this.#do(button.dataset.action));
    }
  }

  find(selector) {
    return this.card.querySelector(selector);
  }

  others() {
    return people.filter((person) => person !== this);
  }

  /** Lists the others; nobody knows yet how they are. */
  meet() {
    this.find('.others').replaceChildren(...this.others().map((other) => {
      const line = document.createElement('li');
      line.dataset.of = other.id;
      line.innerHTML = '<span class="dot" aria-hidden="true"></span><span class="other"></span><span class="word"></span>';
      line.querySelector('.other').textContent = other.name;
      return line;
    }));
    this.#forget();
  }

  async token() {
    if (!this.hasNetwork) throw new Error('the network is lost');
    if (!this.#token) {
      const response = await fetch(`/dev/token?user=${encodeURIComponent(this.id)}`);
      if (!response.ok) throw new Error(`no token: ${response.status}`);
      this.#token = (await response.json()).access_token;
    }
    return this.#token;
  }

  hears(tab, userId, status) {
    // Every tab hears it; one line is enough.
    if (tab === this.tabs[0]) log(this.name, people.find((person) => person.id === userId)?.name ?? userId, status);
    this.sees(userId, status);
  }

  sees(userId, status) {
    const line = this.find(`[data-of="${CSS.escape(userId)}"]`);
    if (!line) return;
    line.dataset.status = status;
    line.querySelector('.word').textContent = status;
  }

  show() {
    const open = this.tabs.filter((tab) => tab.connection.state === HubConnectionState.Connected).length;
    const [state, text] =
      !this.tabs.length ? ['away', 'away']
      : !this.hasNetwork ? ['cut', 'network lost, trying to come back']
      : open < this.tabs.length ? ['trying', 'connecting']
      : ['here', open === 1 ? 'here, over WebSockets' : `here, in ${open} tabs`];
    this.card.dataset.state = state;
    this.find('.state').textContent = text;
    const here = this.tabs.length > 0;
    const allowed = {
      come: !here, go: here, reload: state === 'here', lose: here, tab: state === 'here', announce: state === 'here',
    };
    for (const [action, isAllowed] of Object.entries(allowed)) this.find(`[data-action="${action}"]`).disabled = !isAllowed;
    this.find('[data-action="lose"]').textContent = this.hasNetwork ? 'Lose network' : 'Network back';
    this.find('[data-action="tab"]').textContent = this.tabs.length > 1 ? 'Close a tab' : 'Second tab';
    if (state !== 'here') this.#forget();
  }

  #forget() {
    for (const other of this.others()) this.sees(other.id, 'unknown');
  }

  async #do(action) {
    this.find('.error').hidden = true;
    try {
      await this[action]();
    } catch (error) {
      this.find('.error').textContent = error.message;
      this.find('.error').hidden = false;
    }
    this.show();
  }

  async come() {
    const tab = new Tab(this);
    this.tabs.push(tab);
    this.show();
    try {
      await tab.open();
    } catch (error) {
      this.tabs = this.tabs.filter((other) => other !== tab);
      throw error;
    }
  }

  async go() {
    const tabs = this.tabs;
    this.tabs = [];
    this.hasNetwork = true;
    await Promise.all(tabs.map((tab) => tab.close()));
  }

  /** As a browser does: the old page goes without a goodbye, the new one connects. */
  async reload() {
    const tabs = this.tabs;
    this.tabs = [];
    for (const tab of tabs) {
      tab.cut();
      tab.close();
    }
    for (let i = 0; i < tabs.length; i++) await this.come();
  }

  async lose() {
    this.hasNetwork = !this.hasNetwork;
    if (!this.hasNetwork) for (const tab of this.tabs) tab.cut();
  }

  async tab() {
    if (this.tabs.length > 1) await this.tabs.pop().close();
    else await this.come();
  }

  async announce() {
    await this.tabs[0].connection.invoke('BroadcastOnlineStatus');
  }
}

function log(listener, subject, status) {
  const line = document.createElement('li');
  const time = document.createElement('time');
  time.textContent = new Date().toLocaleTimeString();
  const text = document.createElement('span');
  const word = document.createElement('b');
  word.className = status;
  word.textContent = status;
  text.append(`${listener} hears: ${subject} is `, word);
  line.append(time, text);
  const events = document.getElementById('events');
  events.prepend(line);
  while (events.children.length > EVENTS_KEPT) events.lastElementChild.remove();
}

let people = [];

async function main() {
  const response = await fetch('/dev/users');
  const template = document.getElementById('person');
  people = (await response.json()).slice(0, SHOWN).map((user) => new Person(user, template));
  document.getElementById('people').replaceChildren(...people.map((person) => person.card));
  document.getElementById('clear').addEventListener('click', () => document.getElementById('events').replaceChildren());
  for (const person of people) {
    person.meet();
    person.show();
  }
}

main().catch((error) => { document.getElementById('people').textContent = `The page cannot be shown: ${error.message}`; });
