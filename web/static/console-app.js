// Inside of Telegram: hands what Telegram signed, which stands behind the #, to the server.

const said = new URLSearchParams(location.hash.slice(1)).get("tgWebAppData");
if (said) {
  const form = document.getElementById("enter");
  form.elements.init_data.value = said;
  history.replaceState(null, "", location.pathname);
  form.submit();
} else {
  document.getElementById("outside").hidden = false;
}
