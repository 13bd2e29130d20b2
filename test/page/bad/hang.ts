import { test } from '../../harness'

// No time limit inside the page can end this one.
test('x', () => {
  for (;;);
})
