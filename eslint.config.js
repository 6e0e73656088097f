// The rules for our JavaScript: ESLint's recommended ones, and some more that find mistakes.
import js from "@eslint/js";
import globals from "globals";

export default [
  { ignores: ["**/vendor/", ".venv/", "node_modules/", "var/", "staticfiles/"] },
  js.configs.recommended,
  {
    languageOptions: { ecmaVersion: 2022, sourceType: "module" },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      "array-callback-return": "error",
      "default-case-last": "error",
      "eqeqeq": "error",
      "no-alert": "error",
      "no-control-regex": "off", // we take control characters out of what agents write
      "no-constructor-return": "error",
      "no-duplicate-imports": "error",
      "no-eval": "error",
      "no-implied-eval": "error",
      "no-new-func": "error",
      "no-self-compare": "error",
      "no-template-curly-in-string": "error",
      "no-throw-literal": "error",
      "no-unmodified-loop-condition": "error",
      "no-unreachable-loop": "error",
      "no-unused-vars": ["error", { caughtErrors: "all", reportUsedIgnorePattern: true }],
      "no-useless-assignment": "error",
      "no-use-before-define": ["error", { functions: false, variables: false }],
      "no-var": "error",
      "object-shorthand": "error",
      "prefer-const": "error",
      "prefer-promise-reject-errors": "error",
      "radix": "error",
    },
  },
  { files: ["mission_control/static/**"], languageOptions: { globals: globals.browser } },
  { files: ["*.js", ".ci/**", "tests/**"], languageOptions: { globals: globals.node } },
  { files: ["tests/**"], languageOptions: { globals: globals.browser } }, // jsdom's, by tests/web/js/browser.js
];
