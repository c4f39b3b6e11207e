// What the browser keeps for this page. Storage may be blocked or full: then reading finds nothing,
// and writing says so by returning false.

const areas = {
  local: () => window.localStorage,  // even looking at it throws where it is blocked
  session: () => window.sessionStorage,
};

export function read(key, area = "local") {
  try {
    return JSON.parse(areas[area]().getItem(key));
  } catch {
    return null;
  }
}

// null removes the key.
export function write(key, value, area = "local") {
  try {
    if (value === null) {
      areas[area]().removeItem(key);
    } else {
      areas[area]().setItem(key, JSON.stringify(value));
    }
    return true;
  } catch {
    return false;
  }
}
