// What all pages have: the search key, the switch between dark and light, dialogs, and the chip for changes.
// Each part finds its own place by a data attribute, and does nothing where there is none.
import { openDialogs } from "./dialogs.js";
import { moveThroughRows, focusSearch } from "./keys.js";
import { watchForChanges } from "./changes.js";
import { switchTheme } from "./theme.js";

switchTheme();
focusSearch();
moveThroughRows();
openDialogs();
watchForChanges();
