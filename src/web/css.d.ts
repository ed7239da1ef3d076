/** Styles are bundled; a module gets nothing of them. */
declare module "*.css";
